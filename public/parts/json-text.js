/**
 * JSON whose numbers keep their text.
 *
 * An operation can report any number that JSON can write, and a JavaScript number holds fewer: it
 * turns 9007199254740993 into 9007199254740992, 1e400 into null and 1.10 into 1.1.
 */

/**
 * TypeScript does not know this part of the standard.
 * @see https://tc39.es/proposal-json-parse-with-source/
 * @type {{ rawJSON?: (text: string) => unknown, isRawJSON?: (value: unknown) => value is { rawJSON: string } }}
 */
const { rawJSON, isRawJSON } = /** @type {any} */ (JSON);

/**
 * `JSON.parse`, except that a number that JavaScript would write differently becomes an object that
 * `JSON.stringify` writes as it was. It stays a number in a browser without `JSON.rawJSON`, and in
 * text that is nested too deeply to be visited.
 * @param {string} text
 * @returns {any}
 */
export function parseJson(text) {
  try {
    if (rawJSON) return JSON.parse(text, /** @type {any} */ (keepText));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // the stack is used up
  }
  return JSON.parse(text);
}

/**
 * The nearest JavaScript number, where a value of `parseJson` is a number.
 * @param {unknown} value
 */
export function numberOf(value) {
  if (isRawJSON?.(value)) return Number(value.rawJSON);
  return typeof value === "number" ? value : undefined;
}

/**
 * @param {unknown} value
 * @param {number} [indent] spaces per level; default: all on one line
 */
export function formatJson(value, indent) {
  try {
    return JSON.stringify(value, null, indent);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return "(nested too deeply to be shown)";
  }
}

/**
 * @param {string} _key
 * @param {unknown} value
 * @param {{ source?: string }} [context] absent in a browser without source text access
 */
function keepText(_key, value, context) {
  const source = context?.source;
  const isChanged = typeof value === "number" && source !== undefined && String(value) !== source;
  return isChanged ? rawJSON?.(source) : value;
}
