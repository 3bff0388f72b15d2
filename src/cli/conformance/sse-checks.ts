import { isTerminal, type OperationDocument } from "../../../client/wire.ts";
import { type Check, check, must, mustBe, mustBeProblem, SkipError, UNKNOWN } from "./check.ts";
import type { EventStream } from "./event-stream.ts";

const typesOf = ({ events }: EventStream) => events.map(({ event }) => event);
const withoutHeartbeats = (stream: EventStream) =>
  typesOf(stream).filter((type) => type !== "heartbeat");

/** States on one connection. */
export function mustBeInOrder(states: readonly OperationDocument[]): void {
  must(states.length > 0, "there is no state");
  states.forEach((state, index) => {
    const before = states[index - 1];
    must(before?.cursor !== state.cursor, `a state was sent twice: ${state.cursor}`);
    must(
      !before || before.last_updated <= state.last_updated,
      "a state is older than the one before",
    );
  });
  const terminal = states.filter(isTerminal);
  must(
    terminal.length === 1 && isTerminal(states.at(-1) as OperationDocument),
    "no terminal state, or several",
  );
}

/** Server-sent events: PROTOCOL.md, section 4. */
export const SSE_CHECKS: readonly Check[] = [
  check(
    "SSE: retry, then a snapshot that is not resumed, and bye terminal at the end",
    async (subject) => {
      const { sse } = subject.recording();
      mustBe("the status", sse.status, 200);
      const type = sse.headers.get("content-type") ?? "";
      must(type.startsWith("text/event-stream"), `the content type is ${type}`);
      must((sse.retries[0] ?? 0) > 0, "there is no retry");
      const [first, last] = [sse.events[0], sse.events.at(-1)];
      mustBe("the first event", [first?.event, first?.data.resumed], ["snapshot", false]);
      const { reason, reconnect } = last?.data ?? {};
      mustBe("the last event", [last?.event, reason, reconnect], ["bye", "terminal", false]);
    },
  ),
  check("SSE: each event is named by its type, and its id is the cursor", async (subject) => {
    for (const { id, event, data } of subject.recording().sse.events) {
      mustBe("the type", data.type, event);
      if (data.operation) mustBe("the id", id, data.operation.cursor);
    }
  }),
  check(
    "SSE: no state twice or out of order, the terminal one exactly once (C2, C3)",
    async (subject) => {
      const { events } = subject.recording().sse;
      mustBeInOrder(events.flatMap(({ data }) => (data.operation ? [data.operation] : [])));
    },
  ),
  check("SSE: an earlier cursor resumes with the present state (C4)", async (subject) => {
    const { id, sse, last } = subject.recording();
    if (sse.events[0]?.id === last.cursor) throw new SkipError("the operation had only one state");
    const headers = { "last-event-id": String(sse.events[0]?.id) };
    const url = subject.server.urlOf("api/events", { operation_id: id, detail: "status" });
    const stream = await subject.server.stream(url, headers);
    mustBe("the events", withoutHeartbeats(stream), ["snapshot", "bye"]);
    const [snapshot] = stream.events;
    mustBe("resumed", snapshot?.data.resumed, true);
    mustBe("its cursor", snapshot?.data.operation?.cursor, last.cursor);
  }),
  check("SSE: the cursor of the terminal state is answered 204 (C4)", async (subject) => {
    const { id, last } = subject.recording();
    const query = { operation_id: id, detail: "status", after: last.cursor };
    mustBe(
      "the status",
      (await subject.server.stream(subject.server.urlOf("api/events", query))).status,
      204,
    );
  }),
  check("SSE: a cursor that cannot be read counts as none", async (subject) => {
    const query = { operation_id: subject.recording().id, detail: "status", after: "nonsense" };
    const { events } = await subject.server.stream(subject.server.urlOf("api/events", query));
    mustBe("the first event", [events[0]?.event, events[0]?.data.resumed], ["snapshot", false]);
  }),
  check("SSE: an unknown operation is 404 before the stream begins", async ({ server }) => {
    const url = server.urlOf("api/events", { operation_id: UNKNOWN, detail: "status" });
    await mustBeProblem(await server.request(url), 404, "operation-not-found");
  }),
  check("SSE: several operations on one stream, a problem for an unknown one", async (subject) => {
    const { id, last } = subject.recording();
    const url = subject.server.urlOf("api/events", { operation_id: id });
    url.searchParams.append("operation_id", UNKNOWN);
    const { events } = await subject.server.stream(url);
    const state = events.find(({ data }) => data.operation?.operation_id === id);
    mustBe("its cursor", state?.data.operation?.cursor, last.cursor);
    const problem = events.find(({ event }) => event === "problem");
    mustBe("the problem's operation", problem?.data.operation_id, UNKNOWN);
    mustBe("the end", events.at(-1)?.data.reason, "terminal");
    const again = await subject.server.stream(url, { "last-event-id": String(events.at(-1)?.id) });
    mustBe("the status of a resume", again.status, 204);
  }),
  check("SSE: every step once and in order, and again after a resume", async (subject) => {
    const { id } = subject.recording();
    const query = { operation_id: id, detail: "steps" };
    const stream = await subject.server.stream(subject.server.urlOf("api/events", query));
    if (stream.events.some(({ data }) => data.problem?.status === 501)) {
      throw new SkipError("this scheduler keeps no histories");
    }
    const steps = stream.events.filter(({ event }) => event === "step");
    const seqs = steps.map(({ data }) => data.seq);
    must(seqs.length > 0, "there is no step");
    mustBe(
      "the steps",
      seqs,
      seqs.map((_, index) => index + 1),
    );
    const history = await subject.server.json(
      subject.server.urlOf("api/history", { operation_id: id }),
    );
    mustBe(
      "those of the history",
      (history.steps as { seq: number }[]).map(({ seq }) => seq),
      seqs,
    );
    const after = String(steps[0]?.id);
    const rest = await subject.server.stream(
      subject.server.urlOf("api/events", { ...query, after }),
    );
    const following = rest.events.filter(({ event }) => event === "step");
    mustBe(
      "the steps after the first",
      following.map(({ data }) => data.seq),
      seqs.slice(1),
    );
  }),
  check(
    "SSE: a feed has the operation, and a long-poll of it ends with bye rotate",
    async (subject) => {
      const { id, last } = subject.recording();
      const url = subject.server.urlOf("api/events", { prefix: id, wait: "30" });
      const { events } = await subject.server.stream(url);
      const state = events.find(({ data }) => data.operation?.operation_id === id);
      mustBe("its cursor", state?.data.operation?.cursor, last.cursor);
      const bye = events.at(-1);
      mustBe("the end", [bye?.event, bye?.data.reason, bye?.data.retry_ms], ["bye", "rotate", 0]);
    },
  ),
];
