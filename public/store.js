/**
 * The ids of the operations this browser started, newest first, so that a reload finds them again.
 * Only ids are kept: the state of each operation comes from the server.
 *
 * Every change reads the list again before it writes, because another tab may have changed it.
 */

/** A longer page helps nobody, and one stream takes at most 200 ids. */
export const MAX_REMEMBERED = 50;

const KEY = "dts-push.operations";

/** Used where the browser refuses storage, as some do in private windows. A reload loses it. */
let fallback = "[]";

/** @returns {string[]} */
export function remembered() {
  try {
    const ids = JSON.parse(read());
    return Array.isArray(ids) ? ids.filter(isOperationId).slice(0, MAX_REMEMBERED) : [];
  } catch {
    return [];
  }
}

/** @param {string} id */
export function remember(id) {
  write([id, ...remembered().filter((other) => other !== id)].slice(0, MAX_REMEMBERED));
}

/** @param {Iterable<string>} ids */
export function forget(ids) {
  const gone = new Set(ids);
  write(remembered().filter((id) => !gone.has(id)));
}

/** @param {() => void} callback */
export function onChangedByAnotherTab(callback) {
  addEventListener("storage", ({ key }) => {
    if (key === KEY) callback();
  });
}

/**
 * The server's rule. One id that breaks it would have the whole stream refused, at every reload.
 * @param {unknown} value
 */
function isOperationId(value) {
  return typeof value === "string" && /^(?!@)[\x20-\x7e]{1,100}$/.test(value);
}

function read() {
  try {
    return localStorage.getItem(KEY) ?? fallback;
  } catch {
    return fallback;
  }
}

/** @param {string[]} ids */
function write(ids) {
  fallback = JSON.stringify(ids);
  try {
    localStorage.setItem(KEY, fallback);
  } catch {
    // Refused or full: the fallback holds it.
  }
}
