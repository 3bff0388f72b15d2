/**
 * A member of a JSON object as it was written: its numbers keep every digit, which parsing does not.
 * @param json an object, known to be valid JSON
 * @returns the value of the member `key`, `undefined` where there is none; of several the last, as in
 *   `JSON.parse`
 */
export function memberText(json: string, key: string): string | undefined {
  let found: string | undefined;
  let at = afterSpace(json, json.indexOf("{") + 1);
  while (json[at] !== "}") {
    const nameEnd = afterString(json, at);
    const name: unknown = JSON.parse(json.slice(at, nameEnd));
    const start = afterSpace(json, json.indexOf(":", nameEnd) + 1);
    const end = afterValue(json, start);
    if (name === key) found = json.slice(start, end);
    at = afterSpace(json, end);
    if (json[at] === ",") at = afterSpace(json, at + 1);
  }
  return found;
}

function afterSpace(json: string, at: number): number {
  let end = at;
  while (" \t\r\n".includes(json.charAt(end))) end += 1;
  return end;
}

function afterString(json: string, at: number): number {
  let end = at + 1;
  while (json[end] !== '"') end += json[end] === "\\" ? 2 : 1;
  return end + 1;
}

function afterValue(json: string, at: number): number {
  let depth = 0;
  let end = at;
  do {
    const character = json.charAt(end);
    if (character === '"') {
      end = afterString(json, end);
      continue;
    }
    if (character === "{" || character === "[") depth += 1;
    if (character === "}" || character === "]") depth -= 1;
    end += 1;
  } while (depth > 0 || isInToken(json, at, end));
  return end;
}

/** Whether a number, `true`, `false` or `null` that began at `start` goes on. */
function isInToken(json: string, start: number, at: number): boolean {
  return !'"{['.includes(json.charAt(start)) && !", \t\r\n}]".includes(json.charAt(at));
}
