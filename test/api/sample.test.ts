import { expect, test } from "vitest";
import { startTestApi } from "../helpers/stack.ts";
import { problemOf } from "./support/problem.ts";

const NO_SCHEDULER = "127.0.0.1:1";

test("SAMPLE=on: /api/sample says that operations can be started", async () => {
  const { url } = await startTestApi(NO_SCHEDULER);
  expect(await (await fetch(new URL("/api/sample", url))).json()).toEqual({ enabled: true });
});

test("SAMPLE=off: a start is 404 with a detail that says why, whatever its body, and /api/sample says so", async () => {
  const { url } = await startTestApi(NO_SCHEDULER, { sample: "off" });
  expect(await (await fetch(new URL("/api/sample", url))).json()).toEqual({ enabled: false });
  for (const [type, body] of [
    ["application/json", "{}"],
    ["application/json", "{"],
    ["text/plain", "x"],
  ] as const) {
    const response = await fetch(new URL("/api/start-operation", url), {
      method: "POST",
      headers: { "content-type": type },
      body,
    });
    expect((await problemOf(response, 404, "sample-off")).detail).toContain("SAMPLE=off");
  }
});
