const PAUSE_MS = 5000;
/** More of them at a time are only counted. */
const MOST_TEXTS = 3;

/** @type {string[]} */
let waiting = [];
let count = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/**
 * Says to screen readers what an operation has come to. What comes in quick succession is said together.
 * @param {string} text
 */
export function announce(text) {
  count += 1;
  if (waiting.length < MOST_TEXTS) waiting.push(text);
  timer ??= setTimeout(say, PAUSE_MS);
}

function say() {
  const announcer = document.getElementById("announcer");
  const text = count > MOST_TEXTS ? `${count} operations have ended.` : waiting.join(" ");
  [waiting, count] = [[], 0];
  timer = undefined;
  if (announcer) announcer.textContent = text;
}
