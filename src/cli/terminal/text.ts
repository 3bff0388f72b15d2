/** Control characters, line and paragraph separators, and those that change the direction of text. */
const CONTROLS = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;
/** Control characters that JSON leaves as they are. */
const UNESCAPED = /[\x7f-\x9f]/g;

/** Text of somebody else on one line, without anything that a terminal would obey. */
export function printable(text: string): string {
  return text.replaceAll(/\s*[\r\n\t]+\s*/g, " ").replaceAll(CONTROLS, "\ufffd");
}

/** A value as one line of JSON. */
export function jsonLine(value: unknown): string {
  const escaped = (char: string) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return `${JSON.stringify(value).replaceAll(UNESCAPED, escaped)}\n`;
}

/** A duration for people: `0.4 s`, `12 s`, `3 min 5 s`, `2 h 7 min`. */
export function durationText(ms: number): string {
  if (ms < 9_950) return `${(Math.max(ms, 0) / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes === 0) return `${seconds} s`;
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
