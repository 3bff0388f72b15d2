import { expect, test } from "vitest";
import { stateChunk } from "../../src/streaming/delivery/sse/sse-format.ts";
import { stateFrame } from "../../src/streaming/delivery/ws/ws-protocol.ts";
import { toOperation } from "../../src/streaming/operation/operation.ts";
import { snapshotOf } from "../../src/streaming/operation/state-event.ts";
import { instance } from "../helpers/scheduler/instance.ts";

test("the bytes of an event that are kept hold nothing but themselves", () => {
  const event = snapshotOf(toOperation(instance()));
  stateFrame("s", event); // The next one is the kept one.
  for (const bytes of [stateChunk(event), stateFrame("s", event)]) {
    expect(bytes.buffer.byteLength).toBe(bytes.length);
  }
});
