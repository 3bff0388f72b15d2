/** The form that starts operations. Every refusal is shown beside it, in the server's own words. */

/** Longer than a server that works ever takes; shorter than a person waits. */
const PATIENCE_MS = 15_000;

const form = /** @type {HTMLFormElement} */ (document.getElementById("start"));
const message = /** @type {HTMLElement} */ (form.querySelector(".error"));

/** @param {(operationId: string) => void} onId called with each operation that there may be now */
export function onStarted(onId) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.ariaBusy === "true") return; // a double click is one operation
    form.ariaBusy = "true";
    const { id, problem } = await start(Object.fromEntries(new FormData(form)));
    form.ariaBusy = "false";
    message.textContent = problem ?? "";
    message.hidden = problem === undefined;
    if (id !== undefined) onId(id);
  });
}

/**
 * Both an id and a problem mean that the scheduler did not answer: the operation may have started.
 * @param {Record<string, FormDataEntryValue>} fields
 * @returns {Promise<{ id?: string, problem?: string }>}
 */
async function start({ processing_time: processingTime, steps }) {
  try {
    const response = await fetch("/api/start-operation", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ processing_time: Number(processingTime), steps: Number(steps) }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const body = await response.json().catch(() => ({})); // a proxy's error page is not JSON
    const refusal = body.detail ?? body.title ?? `The server answered ${response.status}.`;
    return { id: body.operation_id, ...(!response.ok && { problem: refusal }) };
  } catch (error) {
    const isLate = /** @type {Error} */ (error).name === "TimeoutError";
    return {
      problem: isLate
        ? "The server did not answer in time. The operation may have started all the same."
        : "The server cannot be reached.",
    };
  }
}
