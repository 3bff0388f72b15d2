import { expect, test } from "vitest";
import { AppProcess } from "../helpers/process.ts";
import {
  completed,
  ended,
  scheduled,
  started,
  turnStarted,
} from "../helpers/scheduler/history-entries.ts";
import { ScriptedHistories } from "../helpers/scheduler/scripted-histories.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { WsClient } from "../helpers/ws-client.ts";
import { openSteps, stepsUrl, upTo } from "./support.ts";

const ID = "long";
/** More than socket buffers hold: the server cannot send everything to a client that does not read. */
const PAYLOAD_BYTES = 12_000;

/** What a client has received: its steps, and the id to resume from. */
interface Taken {
  readonly seqs: number[];
  lastId: string | undefined;
}

test("after kill -9 of a replica during a catch-up, clients resume at the other without gap or duplicate (STEPS-1)", {
  timeout: 300_000,
}, async () => {
  const scheduler = await ScriptedHistories.start();
  const events = [turnStarted(), started()];
  for (let id = 0; id < 1000; id += 1) {
    events.push(scheduled(id, "x".repeat(PAYLOAD_BYTES)), completed(id));
  }
  events.push(ended());
  scheduler.histories.set(ID, events);
  scheduler.set(ID, { status: "COMPLETED" });
  const total = events.length;
  const env = { ENDPOINT: `http://${scheduler.address}`, LOG_LEVEL: "warn", POLL_MIN_MS: "50" };
  const [doomed, other] = [AppProcess.start(["api"], env), AppProcess.start(["api"], env)];

  const [from, to] = [await doomed.url(), await other.url()];
  const readers = Array.from({ length: 4 }, (_, index) => readSse(from, 100 + index * 130));
  const sockets = Array.from({ length: 2 }, (_, index) => readWs(from, 170 + index * 400));
  const taken = await Promise.all([...readers, ...sockets]);
  expect(await doomed.kill("SIGKILL")).toMatchObject({ signal: "SIGKILL" });

  await Promise.all(
    taken.map(async ({ seqs, lastId }, index) => {
      if (index < readers.length) {
        const rest = await openSteps({ url: to }, ID, { after: lastId, more: "&include=payloads" });
        for (const { event, data } of await rest.untilBye()) {
          expect(event).not.toBe("reset");
          if (event === "step") seqs.push(data.seq);
        }
      } else {
        const socket = await subscribe(to, lastId);
        for (;;) {
          const { type, seq } = await socket.next("the next frame", 60_000);
          expect(type).not.toBe("reset");
          if (type === "step") seqs.push(seq);
          if (type === "unsubscribed") break;
        }
      }
    }),
  );
  for (const { seqs } of taken) expect(seqs).toEqual(upTo(total));
});

/** Reads this many steps, then stops. What arrives after them is lost, as in a crash. */
async function readSse(url: URL, count: number): Promise<Taken> {
  const stream = await SseClient.connect(stepsUrl(url, ID, "&include=payloads"));
  const taken: Taken = { seqs: [], lastId: undefined };
  while (taken.seqs.length < count) {
    const { event, data, id } = await stream.nextState();
    taken.lastId = id;
    if (event === "step") taken.seqs.push(data.seq);
    if (taken.seqs.length === Math.floor(count / 2)) stream.pause();
    if (stream.waiting.length === 0) stream.resume();
  }
  stream.pause();
  expect(stream.waiting.some(({ event }) => event === "bye")).toBe(false);
  return taken;
}

async function readWs(url: URL, count: number): Promise<Taken> {
  const socket = await subscribe(url, undefined);
  const taken: Taken = { seqs: [], lastId: undefined };
  while (taken.seqs.length < count) {
    const { type, seq, cursor } = await socket.next();
    taken.lastId = cursor ?? taken.lastId;
    if (type === "step") taken.seqs.push(seq);
  }
  socket.socket.pause();
  expect(socket.waiting.some(({ type }) => type === "unsubscribed")).toBe(false);
  return taken;
}

async function subscribe(url: URL, after: string | undefined): Promise<WsClient> {
  const socket = await WsClient.connect(url);
  const wanted = { operation_id: ID, detail: "steps", include: "payloads", after };
  socket.send({ type: "subscribe", sub: "s", ...wanted });
  return socket;
}
