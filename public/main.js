/**
 * The page's wiring: the form starts operations, the store remembers them, the stream follows them,
 * the board shows them.
 */

import { Board } from "./board.js";
import { onTryNow, showConnection } from "./connection.js";
import { onStarted } from "./start-form.js";
import { forget, remember, remembered } from "./store.js";
import { OperationStream } from "./stream.js";

const notice = /** @type {HTMLElement} */ (document.getElementById("notice"));
const clear = /** @type {HTMLElement} */ (document.getElementById("clear"));

const board = new Board();
const stream = new OperationStream({
  liveIds: () => board.liveIds(),
  onOperation: (operation) => board.show(operation),
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

// A page brought back by the browser's back button finds its stream cut off.
addEventListener("pageshow", (event) => event.persisted && stream.restart());

for (const id of remembered().reverse()) board.add(id, "Loading");
stream.restart();

/** @param {string[]} ids */
function remove(ids) {
  forget(ids);
  board.remove(ids);
}
