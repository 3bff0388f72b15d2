/** The form that starts the sample's operation. A refusal is shown beside it, with the server's detail. */

/** Longer than a working server ever takes, shorter than a person waits. */
const TIMEOUT_MS = 15_000;
/** Between two checks whether the server has recovered. */
const RECOVERY_CHECK_MS = 2_000;

const form = /** @type {HTMLFormElement} */ (document.getElementById("start"));
const message = /** @type {HTMLElement} */ (form.querySelector(".error"));
const empty = /** @type {HTMLElement} */ (document.getElementById("empty"));

/** @type {ReturnType<typeof setTimeout> | undefined} */
let checking;

/**
 * The result of a start. An outage passes by itself, a refusal does not. Either can have an id: of an
 * operation that may have started although the scheduler did not confirm it.
 *
 * @typedef {{ kind: "started", id: string } | { kind: "refused" | "outage", id?: string, detail: string }} StartResult
 */

/** @param {(operationId: string) => void} onId called with each operation that has or may have started */
export function onStarted(onId) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.ariaBusy === "true") return; // a double click is one operation
    form.ariaBusy = "true";
    const result = await start(Object.fromEntries(new FormData(form)));
    form.ariaBusy = "false";
    showResult(result);
    if (result.id !== undefined) onId(result.id);
  });
}

/** A server with `SAMPLE=off` starts nothing, so it needs no form. */
export async function hideFormWithoutSample() {
  const response = await fetch("/api/sample").catch(() => undefined);
  const sample = response?.ok ? await response.json().catch(() => undefined) : undefined;
  if (sample?.enabled !== false) return; // also for a server that does not know this path
  form.hidden = true;
  empty.textContent = "Nothing here yet.";
}

/** @param {StartResult} result */
function showResult(result) {
  clearTimeout(checking);
  checking = undefined;
  message.hidden = result.kind === "started";
  message.textContent = result.kind === "started" ? "" : result.detail;
  if (result.kind === "outage") checkRecovery();
}

/** Removes the message about an outage when it is over. */
function checkRecovery() {
  const check = setTimeout(async () => {
    const isReady = await fetch("/readyz", { signal: AbortSignal.timeout(TIMEOUT_MS) }).then(
      ({ ok }) => ok,
      () => false,
    );
    if (checking !== check) return; // another message is shown by now
    if (isReady) message.hidden = true;
    else checkRecovery();
  }, RECOVERY_CHECK_MS);
  checking = check;
}

/**
 * @param {Record<string, FormDataEntryValue>} fields
 * @returns {Promise<StartResult>}
 */
async function start({ processing_time: processingTime, steps }) {
  try {
    const response = await fetch("/api/start-operation", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ processing_time: Number(processingTime), steps: Number(steps) }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const body = await response.json().catch(() => ({})); // a proxy's error page is not JSON
    if (response.ok) return { kind: "started", id: body.operation_id };
    const kind = [502, 503, 504].includes(response.status) ? "outage" : "refused";
    const detail = body.detail ?? body.title ?? `The server answered ${response.status}.`;
    return { kind, id: body.operation_id, detail };
  } catch (error) {
    const isLate = /** @type {Error} */ (error).name === "TimeoutError";
    const detail = isLate
      ? "The server did not answer in time. The operation may have started."
      : "The server cannot be reached.";
    return { kind: "outage", detail };
  }
}
