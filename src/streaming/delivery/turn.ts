import type { Socket } from "node:net";

/** The number of the present turn of the event loop, of those in which anything was written. */
let present = 0;
let isEnding = false;
const corked: Socket[] = [];

/** The same number until what runs now has returned to the event loop. */
export function presentTurn(): number {
  if (!isEnding) {
    isEnding = true;
    process.nextTick(end);
  }
  return present;
}

/** Joins what is written to a socket until the end of the turn into one write. */
export function joinWrites(socket: Socket): void {
  socket.cork();
  corked.push(socket);
}

function end(): void {
  isEnding = false;
  present += 1;
  for (const socket of corked.splice(0)) socket.uncork();
}
