import { expect, test } from "vitest";
import { eventually } from "../helpers/deadline.ts";
import { ScriptedHistories } from "../helpers/scheduler/scripted-histories.ts";
import { startTestApi } from "../helpers/stack.ts";

test("a seventeenth concurrent history is 503 too-many-histories, until one of the others has been sent", async () => {
  const scheduler = await ScriptedHistories.start();
  const api = await startTestApi(scheduler.address);
  scheduler.set("op");
  const release: (() => void)[] = [];
  scheduler.answer = (read) => void release.push(() => read.end());
  const ask = () => fetch(new URL("/api/operations/op/history", api.url));
  const others = Array.from({ length: 16 }, ask);
  await eventually("sixteen reads of the history", () => release.length === 16);
  const refused = await ask();
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "5"]);
  expect(await refused.json()).toMatchObject({ type: "urn:dts-push:problem:too-many-histories" });
  release[0]?.();
  scheduler.answer = (read) => read.end();
  await Promise.race(others.map(async (each) => (await each).text()));
  await eventually("room again", async () => (await ask()).status === 200);
  for (const end of release) end();
  for (const each of await Promise.all(others)) expect(each.status).toBe(200);
});
