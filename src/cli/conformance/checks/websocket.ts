import { checksOf } from "../check.ts";
import { expect, expectEqual, Skipped } from "../expect.ts";
import { expectProblem, expectStates } from "../wire.ts";

/** PROTOCOL.md, section 5: operations and their steps. */
export const WEBSOCKET = checksOf("websocket", {
  "a subscription follows an operation to its end, each state once (C2, C3)": async ({
    server,
    operations,
  }) => {
    const operation_id = await operations.startLive(server);
    const socket = await server.socket();
    socket.send({ type: "subscribe", sub: "a", operation_id });
    await socket.expect("subscribed", {
      type: "subscribed",
      sub: "a",
      operation_id,
      resumed: false,
    });
    const frames = await socket.untilUnsubscribed("a", "terminal");
    expectStates(frames, operation_id);
    for (const { sub } of frames) expectEqual("sub", sub, "a");
    await socket.ping();
  },

  "operations in the query are subscribed at once": async ({ server, operations: { ended } }) => {
    const { operation_id } = ended;
    const socket = await server.socket({ operation_id });
    await socket.expect("subscribed", { type: "subscribed", sub: "1", operation_id });
    const [snapshot] = await socket.untilUnsubscribed("1", "terminal");
    expectEqual("the document", snapshot?.operation, ended);
  },

  "a resume with the last cursor sends no state (C4)": async ({ server, operations }) => {
    const { quiet, ended } = operations;
    const socket = await server.socket();
    for (const { operation_id, cursor: after } of [quiet, ended]) {
      socket.send({ type: "subscribe", sub: operation_id, operation_id, after });
      const subscribed = { type: "subscribed", sub: operation_id, resumed: true };
      await socket.expect("subscribed", subscribed);
    }
    const frames = await socket.untilUnsubscribed(ended.operation_id, "terminal");
    expectEqual("frames behind subscribed", frames.length, 1);
    await socket.ping();
  },

  "a cursor of SSE resumes here, and one from here resumes SSE": async ({ server, operations }) => {
    const operation_id = await operations.startQuiet(server);
    const stream = await server.stream(`api/operations/${operation_id}/events`);
    const first = await stream.next("a snapshot");
    await operations.terminate(server, operation_id);
    await stream.untilBye("terminal");
    const socket = await server.socket();
    socket.send({ type: "subscribe", sub: "a", operation_id, after: first.id });
    await socket.expect("subscribed", { type: "subscribed", resumed: true });
    const [snapshot] = await socket.untilUnsubscribed("a", "terminal");
    const after = snapshot?.operation?.cursor ?? "";
    await server.expect(204, `api/operations/${operation_id}/events`, { query: { after } });
  },

  "a name is free again behind unsubscribed": async ({ server, operations: { quiet } }) => {
    const { operation_id } = quiet;
    const socket = await server.socket();
    for (const type of ["subscribe", "subscribe"]) {
      socket.send({ type, sub: "a", operation_id });
      await socket.expect("subscribed", { type: "subscribed", sub: "a" });
      await socket.expect("snapshot", { type: "snapshot", sub: "a", operation_id });
      socket.send({ type: "unsubscribe", sub: "a" });
      await socket.untilUnsubscribed("a", "requested");
    }
    await socket.ping();
  },

  "an unknown operation is a problem and unsubscribed": async ({ server, operations }) => {
    const operation_id = operations.nextId();
    const socket = await server.socket();
    socket.send({ type: "subscribe", sub: "a", operation_id });
    await socket.expect("subscribed", { type: "subscribed", sub: "a", resumed: false });
    const { problem } = await socket.expect("problem", { type: "problem", sub: "a", operation_id });
    expectProblem(problem, 404, "operation-not-found");
    await socket.untilUnsubscribed("a", "not-found");
    await socket.ping();
  },

  "steps come in order, and each frame has a cursor that resumes": async ({
    server,
    operations: { ended },
  }) => {
    const { operation_id } = ended;
    const socket = await server.socket();
    const subscribe = { type: "subscribe", operation_id, detail: "steps" };
    socket.send({ ...subscribe, sub: "a" });
    await socket.expect("subscribed", { type: "subscribed", sub: "a" });
    const frames = await socket.untilUnsubscribed("a", "terminal");
    const isMissing = frames.some(({ problem }) => problem?.type.endsWith(":history-not-kept"));
    if (isMissing) throw new Skipped("the scheduler of this server keeps no histories");
    const steps = frames.filter(({ type }) => type === "step");
    expect(steps.length > 0, "no steps came");
    expectEqual(
      "seq",
      steps.map(({ seq }) => seq),
      steps.map((_, index) => index + 1),
    );
    socket.send({ ...subscribe, sub: "b", after: steps[0]?.cursor });
    await socket.expect("subscribed", { type: "subscribed", sub: "b", resumed: true });
    const later = await socket.untilUnsubscribed("b", "terminal");
    const sent = later.filter(({ type }) => type === "step").map(({ seq }) => seq);
    expectEqual(
      "steps after the first",
      sent,
      steps.slice(1).map(({ seq }) => seq),
    );
  },
});
