import { expect, test } from "vitest";
import { Access, ForbiddenError } from "../../src/access.ts";
import { OperationNotFoundError } from "../../src/problems.ts";
import { historyDocument } from "../../src/streaming/steps/history-document.ts";
import { eventually } from "../helpers/deadline.ts";
import { InMemoryScheduler } from "../helpers/scheduler/in-memory-scheduler.ts";
import { streamingOn } from "./support/streaming-on.ts";

/* Every entrance to operations asks what the caller may do, whatever its route forgot. */

const access = new Access({
  caller: "test",
  authentication: "key",
  grants: [{ scope: "operations:read", prefix: "mine-" }],
});

function start() {
  const scheduler = new InMemoryScheduler();
  for (const id of ["mine-1", "other-1"]) scheduler.set(id);
  return { scheduler, ...streamingOn(scheduler) };
}

test("a subscription to an operation that may not be read ends as one to an unknown id (ACCESS-3)", async () => {
  const { watches, subscriber, receivedBy, close } = start();
  for (const id of ["mine-1", "mine-unknown", "other-1", "other-unknown"]) {
    watches.subscribe(id, subscriber, undefined, { access });
  }
  await eventually("an answer for all", () =>
    ["mine-1", "mine-unknown", "other-1", "other-unknown"].every((id) => receivedBy(id).length > 0),
  );
  expect(receivedBy("mine-1")).toEqual(["snapshot RUNNING -"]);
  for (const id of ["mine-unknown", "other-1", "other-unknown"]) {
    expect(receivedBy(id), id).toEqual(["end not-found"]);
  }
  close();
});

test("a subscription that may not be read can be cancelled before its end", async () => {
  const { watches, subscriber, receivedBy, close } = start();
  watches.unsubscribe(watches.subscribe("other-1", subscriber, undefined, { access }));
  await Promise.resolve();
  expect(receivedBy("other-1")).toEqual([]);
  close();
});

test("a read of an operation that may not be read fails as one of an unknown id (ACCESS-3)", async () => {
  const { watches, close } = start();
  expect((await watches.read("mine-1", { access })).id).toBe("mine-1");
  for (const id of ["mine-unknown", "other-1", "other-unknown"]) {
    await expect(watches.read(id, { access }), id).rejects.toThrow(OperationNotFoundError);
  }
  close();
});

test("a history asks its reader's access before it is read (ACCESS-3)", async () => {
  const histories = {
    readHistory: () => {
      throw new Error("It was read");
    },
  };
  const wanted = { id: "other-1", access, afterSeq: 0, payloads: false, status: {} as never };
  await expect(historyDocument(histories, wanted).next()).rejects.toThrow(OperationNotFoundError);
});

test("a feed is only for who may read all of its prefix", () => {
  const { feeds, close } = start();
  expect(feeds.get({ access }, "mine-").prefix).toBe("mine-");
  expect(feeds.get({ access }, "mine-1").prefix).toBe("mine-1");
  for (const prefix of ["", "mine", "other-"]) {
    expect(() => feeds.get({ access }, prefix), prefix).toThrow(ForbiddenError);
    expect(() => feeds.hasRoomFor({ access }, prefix), prefix).toThrow(ForbiddenError);
  }
  close();
});
