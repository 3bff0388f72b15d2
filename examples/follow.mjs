/** A client of dts-push, written from docs/PROTOCOL.md alone: follows operations in three ways at once (server-sent
 * events, WebSocket, long-poll) and compares what the three received at the end. Needs Node 24 and nothing else.
 *
 *   follow-sse.mjs, follow-websocket.mjs, follow-long-poll.mjs   one transport each, to be copied
 *   sse-parser.mjs   the text of an event stream, as events
 *   reconnect.mjs    when to try again, and how to notice a dead connection
 *   start.mjs        starting operations */

import { isDeepStrictEqual, parseArgs } from "node:util";
import { followByLongPoll, isOver } from "./follow-long-poll.mjs";
import { followOverSse } from "./follow-sse.mjs";
import { followOverWebSocket } from "./follow-websocket.mjs";
import { startOperations } from "./start.mjs";

const USAGE = `Usage: npm run follow -- [options] [operation_id ...]

Follows operations over SSE, WebSocket and long-poll until they end, and compares what the three
received. Without ids it starts operations and follows those.
Exits with 0 if all have ended and all agree, else with 1.

  --url <url>               where dts-push is              (http://localhost:8000)
  --operations <n>          how many to start              (100)
  --processing-time <s>     how long each takes, seconds   (3)
  --steps <n>               progress reports of each       (5)
  --give-up-after <s>       seconds for all of it          (300)
  --help`;

/** Browsers allow six connections to an origin over HTTP/1.1, so a page should not open more streams. */
const OPERATIONS_WITH_A_STREAM_OF_THEIR_OWN = 6;
/** A stream and a WebSocket carry up to 200. The ids of a stream are in its URL, of which proxies accept 8 KiB. */
const OPERATIONS_PER_CONNECTION = 150;

/** What one transport received: the last document of each operation, and their number. */
class Sightings {
  #byId = new Map();

  add = (document) => {
    const states = (this.#byId.get(document.operation_id)?.states ?? 0) + 1;
    this.#byId.set(document.operation_id, { document, states });
  };

  lastOf(id) {
    return this.#byId.get(id)?.document;
  }

  describe(id) {
    const seen = this.#byId.get(id);
    return seen ? `${seen.document.status} ×${seen.states}` : "–";
  }
}

async function main() {
  const options = readOptions();
  const signal = AbortSignal.timeout(1_000 * options.giveUpAfter);
  const ids = options.ids.length > 0 ? options.ids : await startAll(options, signal);
  const seen = { sse: new Sightings(), websocket: new Sightings(), longPoll: new Sightings() };
  const outcomes = await Promise.allSettled([
    ...overSse(options.url, ids, seen.sse, signal),
    ...overWebSocket(options.url, ids, seen.websocket, signal),
    ...byLongPoll(options.url, ids, seen.longPoll, signal),
  ]);
  for (const { reason } of outcomes) if (reason) console.error(String(reason));
  process.exitCode = report(ids, seen) ? 0 : 1;
}

async function startAll({ operations, url, processingTime, steps }, signal) {
  const body = { processing_time: processingTime, steps };
  const ids = await startOperations(operations, url, body, signal);
  console.log(`${ids.length} operations started`);
  return ids;
}

/** Some operations on streams of their own, the others together. */
function overSse(url, ids, sightings, signal) {
  const handlers = { onDocument: sightings.add, onProblem: reportProblem("SSE"), signal };
  const alone = ids.filter(isSafeInPath).slice(0, OPERATIONS_WITH_A_STREAM_OF_THEIR_OWN);
  const together = chunks(ids.filter((id) => !alone.includes(id)));
  return [
    ...alone.map((id) => new URL(`api/operations/${encodeURIComponent(id)}/events`, url)),
    ...together.map((some) => new URL(`api/events?${operationQuery(some)}`, url)),
  ].map((stream) => followOverSse(stream, handlers));
}

function overWebSocket(url, ids, sightings, signal) {
  const socketUrl = new URL("api/ws", url);
  socketUrl.protocol = socketUrl.protocol.replace("http", "ws");
  const handlers = { onDocument: sightings.add, onProblem: reportProblem("WebSocket"), signal };
  return chunks(ids).map((some) => followOverWebSocket(socketUrl, some, handlers));
}

function byLongPoll(url, ids, sightings, signal) {
  const handlers = { onDocument: sightings.add, signal };
  return ids.map((id) =>
    followByLongPoll(new URL(`api/operations?${operationQuery([id])}`, url), handlers),
  );
}

/** Ids hold any printable ASCII character. URL parsers and proxies change some of them in a path, and none in a query. */
function isSafeInPath(id) {
  return /^[\w-]+$/.test(id);
}

function operationQuery(ids) {
  return new URLSearchParams(ids.map((id) => ["operation_id", id]));
}

function chunks(ids) {
  const rest = [...ids];
  const chunks = [];
  while (rest.length > 0) chunks.push(rest.splice(0, OPERATIONS_PER_CONNECTION));
  return chunks;
}

/** Prints problems. The transports decide what to do about them. */
function reportProblem(transport) {
  return ({ problem, operation_id: id }) =>
    console.error(`${transport}: ${problem.title}: ${problem.detail}${id ? ` (${id})` : ""}`);
}

/** Prints what was received; `true` if all transports agree that all operations have ended. */
function report(ids, { sse, websocket, longPoll }) {
  const transports = [sse, websocket, longPoll];
  const rows = ids.map((id) => {
    const [first, ...others] = transports.map((sightings) => sightings.lastOf(id));
    const over = first !== undefined && isOver(first);
    const agreed = over && others.every((other) => isDeepStrictEqual(first, other));
    return { id, agreed, cells: transports.map((sightings) => sightings.describe(id)) };
  });
  console.log(line("operation", ["SSE", "WebSocket", "long-poll"], "agreed"));
  for (const { id, cells, agreed } of rows) console.log(line(id, cells, agreed ? "yes" : "NO"));
  const agreed = rows.filter((row) => row.agreed).length;
  console.log(`${agreed} of ${rows.length} operations: over, and the same in all three`);
  return agreed === rows.length;
}

function line(id, cells, agreed) {
  return [id.padEnd(36), ...cells.map((cell) => cell.padEnd(16)), agreed].join("  ");
}

function readOptions() {
  const { values, positionals: ids } = parseArgs({
    allowPositionals: true,
    options: {
      url: { type: "string", default: "http://localhost:8000" },
      operations: { type: "string", default: "100" },
      "processing-time": { type: "string", default: "3" },
      steps: { type: "string", default: "5" },
      "give-up-after": { type: "string", default: "300" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    process.exit(0);
  }
  return {
    ids,
    url: new URL(values.url.replace(/\/*$/, "/")), // with a slash, so that paths are appended
    operations: positive(values, "operations"),
    processingTime: Number(values["processing-time"]), // validated by the server, like steps
    steps: Number(values.steps),
    giveUpAfter: positive(values, "give-up-after"),
  };
}

function positive(values, name) {
  const number = Number(values[name]);
  if (number > 0) return number;
  throw new TypeError(`--${name} must be a number above 0, not "${values[name]}"`);
}

await main();
