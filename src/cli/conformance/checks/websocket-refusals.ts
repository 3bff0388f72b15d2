import { checksOf } from "../check.ts";
import { expectEqual } from "../expect.ts";
import type { Socket } from "../socket.ts";
import { expectProblem } from "../wire.ts";

/** A frame of more than 64 KiB. */
const TOO_LARGE = JSON.stringify({ type: "ping", more: "x".repeat(70_000) });

/** PROTOCOL.md, section 5: what is refused, and how a connection is closed. */
export const WEBSOCKET_REFUSALS = checksOf("websocket refusals", {
  "a subscription is refused, and the connection goes on": async ({ server, operations }) => {
    const { operation_id } = operations.quiet;
    const socket = await server.socket();
    socket.send({ type: "subscribe", sub: "a", operation_id });
    await socket.expect("subscribed", { type: "subscribed", sub: "a" });
    await socket.expect("snapshot", { type: "snapshot", sub: "a" });
    socket.send({ type: "subscribe", sub: "a", operation_id });
    await refused(socket, "a", 409, "duplicate-subscription");
    socket.send({ type: "subscribe", sub: "b", operation_id: "@b" });
    await refused(socket, "b", 400, "invalid-operation-id");
    socket.send({ type: "unsubscribe", sub: "c" });
    await refused(socket, "c", 404, "unknown-subscription");
    await socket.ping();
  },

  "what is no message of the protocol closes with 4400": async ({ server, operations }) => {
    const { operation_id } = operations.quiet;
    const frames = [
      "no JSON",
      "[]",
      { type: "unknown" },
      { type: "subscribe", sub: 1, operation_id },
      { type: "subscribe", sub: "a", operation_id, after: 1 },
      { type: "subscribe", sub: "a", operation_id, detail: "all" },
    ];
    for (const frame of frames) {
      const socket = await server.socket();
      socket.send(frame);
      const { problem } = await socket.expect("problem", { type: "problem" });
      expectProblem(problem, 400, "bad-message");
      await socket.closed(4400);
    }
  },

  "a message over 64 KiB closes with 4429": async ({ server }) => {
    const socket = await server.socket();
    socket.send(TOO_LARGE);
    const { problem } = await socket.expect("problem", { type: "problem" });
    expectProblem(problem, 413, "message-too-large");
    await socket.closed(4429);
  },
});

async function refused(socket: Socket, sub: string, status: number, slug: string): Promise<void> {
  const { type, problem, ...frame } = await socket.next(`problem ${slug}`);
  expectEqual("type and sub", [type, frame.sub], ["problem", sub]);
  expectProblem(problem, status, slug);
}
