/** The form that starts operations. Every refusal is shown beside it, in the server's own words. */

/** Longer than a server that works ever takes; shorter than a person waits. */
const PATIENCE_MS = 15_000;

const form = /** @type {HTMLFormElement} */ (document.getElementById("start"));
const message = /** @type {HTMLElement} */ (form.querySelector(".error"));

/** @param {(operationId: string) => void} started */
export function onStarted(started) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.ariaBusy === "true") return; // a double click is one operation
    form.ariaBusy = "true";
    message.hidden = true;
    try {
      started(await startOperation(Object.fromEntries(new FormData(form))));
    } catch (error) {
      message.textContent = /** @type {Error} */ (error).message;
      message.hidden = false;
    } finally {
      form.ariaBusy = "false";
    }
  });
}

/**
 * @param {Record<string, FormDataEntryValue>} fields
 * @returns {Promise<string>} the operation's id
 * @throws {Error} with a message for the person
 */
async function startOperation({ processing_time: processingTime, steps }) {
  const response = await fetch("/api/start-operation", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ processing_time: Number(processingTime), steps: Number(steps) }),
    signal: AbortSignal.timeout(PATIENCE_MS),
  }).catch((error) => {
    throw new Error(
      error.name === "TimeoutError"
        ? "The server did not answer in time. The operation may have started all the same."
        : "The server cannot be reached. Nothing was started.",
    );
  });
  const body = await response.json().catch(() => ({})); // a proxy's error page is not JSON
  if (response.ok) return body.operation_id;
  throw new Error(body.detail ?? body.title ?? `The server answered ${response.status}.`);
}
