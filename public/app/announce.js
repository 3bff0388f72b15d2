const PAUSE_MS = 5000;
/** More of them at a time are only counted. */
const MOST_TEXTS = 3;

/** @type {string[]} */
let waiting = [];
let count = 0;

/**
 * Says to screen readers what an operation has come to. What comes in quick succession is said together.
 * @param {string} text
 */
export function announce(text) {
  if (count === 0) setTimeout(say, PAUSE_MS);
  count += 1;
  if (waiting.length < MOST_TEXTS) waiting.push(text);
}

function say() {
  const announcer = document.getElementById("announcer");
  const text = count > MOST_TEXTS ? `${count} operations have ended.` : waiting.join(" ");
  [waiting, count] = [[], 0];
  if (announcer) announcer.textContent = text;
}
