import { checksOf } from "../check.ts";
import { expect, expectEqual } from "../expect.ts";
import type { Socket } from "../socket.ts";
import type { Message } from "../wire.ts";

/** PROTOCOL.md, section 5, A feed. */
export const WEBSOCKET_FEED = checksOf("websocket feed", {
  "it has what is present, then new operations by themselves": async ({ server, operations }) => {
    const { prefix, quiet } = operations;
    const socket = await server.socket();
    socket.send({ type: "subscribe", sub: "f", feed: { prefix } });
    await socket.expect("subscribed", { type: "subscribed", sub: "f", resumed: false });
    const present = await untilCaughtUp(socket, "f", quiet.operation_id);
    const found = present.find(({ operation_id }) => operation_id === quiet.operation_id);
    expectEqual("the present state", found?.operation?.cursor, quiet.cursor);
    const id = await operations.startQuiet(server);
    const frames = await find(
      socket,
      `snapshot of ${id}`,
      ({ operation_id }) => operation_id === id,
    );
    expectEqual("type", frames.at(-1)?.type, "snapshot");
  },

  "a cursor resumes it: what did not change is not sent": async ({ server, operations }) => {
    const feed = { prefix: operations.prefix };
    const socket = await server.socket();
    socket.send({ type: "subscribe", sub: "f", feed });
    await socket.expect("subscribed", { type: "subscribed", sub: "f" });
    const present = await untilCaughtUp(socket, "f");
    const states = new Set(present.flatMap(({ operation }) => operation?.cursor ?? []));
    socket.send({ type: "subscribe", sub: "g", feed, after: present.at(-1)?.cursor });
    await find(socket, "subscribed, resumed", ({ type, sub, resumed }) => {
      return type === "subscribed" && sub === "g" && resumed === true;
    });
    const later = (await untilCaughtUp(socket, "g")).filter(({ sub }) => sub === "g");
    const repeated = later.filter(({ operation }) => operation && states.has(operation.cursor));
    expectEqual("states that were sent before", repeated.length, 0);
  },

  "a filter that is not possible is refused": async ({ server }) => {
    const socket = await server.socket();
    socket.send({ type: "subscribe", sub: "f", feed: { status: "Running" } });
    const { problem } = await socket.expect("problem", { type: "problem", sub: "f" });
    expectEqual("type", problem?.type, "urn:dts-push:problem:invalid-query");
    await socket.ping();
  },
});

/** The frames until these operations and a heartbeat of the feed have come. */
function untilCaughtUp(socket: Socket, sub: string, ...ids: string[]): Promise<Message[]> {
  const missing = new Set(ids);
  let caughtUp = false;
  return find(socket, "what is present, and the feed's heartbeat", (frame) => {
    if (frame.operation_id !== undefined) missing.delete(frame.operation_id);
    caughtUp ||= frame.type === "heartbeat" && frame.sub === sub;
    return caughtUp && missing.size === 0;
  });
}

/** The frames up to the first that fits. */
async function find(
  socket: Socket,
  what: string,
  fits: (frame: Message) => boolean,
): Promise<Message[]> {
  const frames: Message[] = [];
  for (;;) {
    const frame = await socket.next(what);
    expect(frame.type === "subscribed" || frame.cursor !== undefined, "a frame has no cursor");
    frames.push(frame);
    if (fits(frame)) return frames;
  }
}
