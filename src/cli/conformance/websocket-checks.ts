import { type Check, check, must, mustBe, mustBeProblem, SkipError, UNKNOWN } from "./check.ts";
import type { Server } from "./server.ts";
import { mustBeInOrder } from "./sse-checks.ts";

/** The frames of one subscription, by their types. */
async function framesOf(server: Server, operation_id: string, after?: string) {
  const socket = await server.socket();
  socket.send({ type: "subscribe", sub: "s1", operation_id, ...(after && { after }) });
  const frames = await socket.rest();
  socket.close();
  return frames;
}

/** WebSocket: PROTOCOL.md, section 5. */
export const WEBSOCKET_CHECKS: readonly Check[] = [
  check(
    "WebSocket: subscribed, the states in order, unsubscribed terminal (C2, C3)",
    async (subject) => {
      const { webSocket: frames, id } = subject.recording();
      const [first, last] = [frames[0], frames.at(-1)];
      mustBe("the first", [first?.type, first?.resumed], ["subscribed", false]);
      mustBe("the last", [last?.type, last?.reason], ["unsubscribed", "terminal"]);
      for (const { sub, operation_id } of frames)
        mustBe("a frame's", [sub, operation_id], ["s1", id]);
      mustBeInOrder(frames.flatMap(({ operation }) => (operation ? [operation] : [])));
    },
  ),
  check("WebSocket: an earlier cursor resumes with the present state (C4)", async (subject) => {
    const { id, webSocket, last } = subject.recording();
    const cursor = webSocket.find(({ operation }) => operation)?.operation?.cursor;
    if (cursor === last.cursor) throw new SkipError("the operation had only one state");
    const frames = await framesOf(subject.server, id, cursor);
    mustBe(
      "the frames",
      frames.map(({ type }) => type),
      ["subscribed", "snapshot", "unsubscribed"],
    );
    mustBe("resumed", frames[0]?.resumed, true);
    mustBe("its cursor", frames[1]?.operation?.cursor, last.cursor);
  }),
  check(
    "WebSocket: the cursor of the terminal state brings nothing but the end (C4)",
    async (subject) => {
      const { id, last } = subject.recording();
      const frames = await framesOf(subject.server, id, last.cursor);
      mustBe(
        "the frames",
        frames.map(({ type }) => type),
        ["subscribed", "unsubscribed"],
      );
    },
  ),
  check("WebSocket: an unknown operation is a problem, and ends not-found", async ({ server }) => {
    const [subscribed, problem, unsubscribed] = await framesOf(server, UNKNOWN);
    mustBe("the first", subscribed?.type, "subscribed");
    mustBe("the problem", problem?.problem?.type, "urn:dts-push:problem:operation-not-found");
    mustBe("the reason", unsubscribed?.reason, "not-found");
  }),
  check("WebSocket: ping is answered pong", async ({ server }) => {
    const socket = await server.socket();
    socket.send({ type: "ping" });
    await socket.next("pong");
    socket.close();
  }),
  check(
    "WebSocket: a name that is not subscribed is refused, and the connection goes on",
    async ({ server }) => {
      const socket = await server.socket();
      socket.send({ type: "unsubscribe", sub: "s9" });
      const { sub, problem } = await socket.next("problem");
      mustBe("its name", sub, "s9");
      mustBe("the problem", problem?.type, "urn:dts-push:problem:unknown-subscription");
      socket.send({ type: "ping" });
      await socket.next("pong");
      socket.close();
    },
  ),
  check(
    "WebSocket: a message that is not JSON is a problem and close code 4400",
    async ({ server }) => {
      const socket = await server.socket();
      socket.send("{");
      const { problem } = await socket.next("problem");
      mustBe("the problem", problem?.type, "urn:dts-push:problem:bad-message");
      mustBe("the close code", await socket.closed(), 4400);
    },
  ),
  check("WebSocket: a request without the upgrade is 426 upgrade-required", async ({ server }) => {
    await mustBeProblem(await server.request(server.urlOf("api/ws")), 426, "upgrade-required");
  }),
  check("long-poll: the states in order, and the terminal one ends it", async (subject) => {
    const { longPoll } = subject.recording();
    must(longPoll.length > 0, "there is no state");
    mustBeInOrder(longPoll);
  }),
];
