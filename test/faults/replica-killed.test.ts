import { setImmediate as immediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { eventually } from "../helpers/deadline.ts";
import { AppProcess } from "../helpers/process.ts";
import { type ReceivedEvent, SseClient } from "../helpers/sse-client.ts";
import { startTestScheduler, startTestWorker } from "../helpers/stack.ts";

const CLIENTS = 200;
const OPERATIONS = 20;

/** A client that goes to the next replica, with its last id, whenever a stream ends without `bye`. */
class Wanderer {
  readonly events: ReceivedEvent[] = [];
  readonly ids: readonly string[];
  connections = 0;
  #lastId: string | undefined;

  constructor(ids: readonly string[]) {
    this.ids = ids;
  }

  async follow(replicas: readonly URL[], first: number): Promise<void> {
    for (let replica = first; ; replica += 1) {
      const url = this.#urlAt(replicas[replica % replicas.length] as URL);
      const client = await this.#connect(url);
      if (!client) continue;
      this.connections += 1;
      if (client.status === 204) return;
      if (await this.#listen(client)) return;
    }
  }

  #urlAt(base: URL): URL {
    if (this.ids.length === 1) return new URL(`/api/operations/${this.ids[0]}/events`, base);
    const url = new URL("/api/events", base);
    for (const id of this.ids) url.searchParams.append("operation_id", id);
    return url;
  }

  async #connect(url: URL): Promise<SseClient | undefined> {
    const headers = this.#lastId === undefined ? {} : { "last-event-id": this.#lastId };
    return SseClient.connect(url, headers).catch(() => undefined);
  }

  /** @returns whether the stream said that the client need not reconnect */
  async #listen(client: SseClient): Promise<boolean> {
    const cutOff = client.ended(60_000);
    for (;;) {
      const next = client.next("an event", 60_000);
      await Promise.race([next, cutOff]);
      // What came with the end comes before it.
      const event = await Promise.race([next, immediate(undefined)]);
      if (!event) return false;
      this.#lastId = event.id ?? this.#lastId;
      if (event.event === "bye") return !event.data.reconnect;
      if (event.data.operation) this.events.push(event);
    }
  }

  /** The documents it received of one operation, over all of its connections. */
  documents(id: string) {
    const documents = this.events.map(({ data }) => data.operation);
    return documents.filter(({ operation_id }) => operation_id === id);
  }
}

test("after kill -9 of a replica 200 clients resume at the other, without duplicate or earlier state (C2–C5)", async () => {
  const address = await startTestScheduler();
  startTestWorker(address);
  const env = { ENDPOINT: `http://${address}`, LOG_LEVEL: "warn", POLL_MIN_MS: "50" };
  const processes = [AppProcess.start(["api"], env), AppProcess.start(["api"], env)];
  const replicas = await Promise.all(processes.map((each) => each.url()));

  const start = async (): Promise<string> => {
    const response = await fetch(new URL("/api/start-operation", replicas[0]), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ processing_time: 8, steps: 16 }),
    });
    return ((await response.json()) as { operation_id: string }).operation_id;
  };
  const ids = await Promise.all(Array.from({ length: OPERATIONS }, start));

  // Every fourth follows three operations on one stream.
  const clients = Array.from({ length: CLIENTS }, (_, index) => {
    const own = Array.from({ length: index % 4 === 0 ? 3 : 1 }, (_, more) => index + more);
    return new Wanderer(own.map((at) => ids[at % OPERATIONS] as string));
  });
  const following = Promise.all(clients.map((client, index) => client.follow(replicas, index)));
  await eventually("each client to be in the middle", () =>
    clients.every(({ events, ids }) => events.length >= 4 * ids.length),
  );
  expect(await processes[0]?.kill("SIGKILL")).toMatchObject({ signal: "SIGKILL" });
  await following;

  expect(clients.filter(({ connections }) => connections > 1)).toHaveLength(CLIENTS / 2);
  for (const client of clients) {
    for (const id of client.ids) {
      const documents = client.documents(id);
      const positions = documents.map(({ last_updated }) => last_updated);
      expect(positions).toEqual([...positions].sort());
      const cursors = documents.map(({ cursor }) => cursor);
      expect(new Set(cursors).size).toBe(cursors.length);
      const steps = documents.map(({ custom_status }) => custom_status?.step ?? 0);
      expect(steps).toEqual([...steps].sort((a, b) => a - b));
      const ends = documents.filter(({ status }) => status === "Completed");
      expect(ends).toEqual([documents.at(-1)]);
      expect(ends[0].result.operation_id).toBe(id);
    }
  }
});
