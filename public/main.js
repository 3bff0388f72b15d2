/**
 * The page's wiring: the form starts operations, the store remembers them, the stream follows them,
 * the board shows them.
 */

import { Board } from "./board.js";
import { onTryNow, showConnection } from "./connection.js";
import { hideFormWithoutSample, onStarted } from "./start-form.js";
import { forget, onChangedByAnotherTab, remember, remembered } from "./store.js";
import { OperationStream } from "./stream.js";
import { isVisible, watchVisibility } from "./visibility.js";

const notice = /** @type {HTMLElement} */ (document.getElementById("notice"));
const clear = /** @type {HTMLElement} */ (document.getElementById("clear"));

const board = new Board();
const stream = new OperationStream({
  activeIds: () => board.activeIds(),
  onOperation: (operation, type) => board.show(operation, type),
  onUnknown: (id) => {
    remove([id]);
    notice.textContent = `Operation ${id} was removed: the scheduler does not know it (any more).`;
    notice.hidden = false;
  },
  onState: showConnection,
});

onTryNow(() => stream.restart());
onStarted((id) => {
  remember(id);
  board.add(id, "Starting");
  stream.restart();
});
clear.addEventListener("click", () => {
  remove(board.finishedIds());
  notice.hidden = true;
});

onChangedByAnotherTab(listRemembered);
watchVisibility({
  onLeave: () => stream.pause(),
  onReturn: () => {
    listRemembered(); // a page in the back/forward cache misses what other tabs do
    stream.resume();
  },
});
if (!isVisible()) stream.pause();
listRemembered();
void hideFormWithoutSample();

/** Shows what this browser remembers, which other tabs change too. */
function listRemembered() {
  const before = board.activeIds().join();
  board.list(remembered());
  if (board.activeIds().join() !== before) stream.restart();
}

/** @param {string[]} ids */
function remove(ids) {
  forget(ids);
  board.remove(ids);
}
