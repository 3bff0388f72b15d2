/** `dts-push` as processes of their own, against the whole product. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { useForeignWorker } from "../api/support/foreign-worker.ts";
import { useSharedStack } from "../api/support/shared-stack.ts";
import { createKey, createKeyFile } from "../helpers/api-key.ts";
import { eventually } from "../helpers/deadline.ts";
import { AppProcess, temporaryFolder } from "../helpers/process.ts";

const key = createKey("tests", "operations:read", "operations:start", "operations:control");
const reader = createKey("reader", "operations:read");
const file = createKeyFile(key.line, reader.line);
const stack = useSharedStack({
  worker: true,
  config: { credentials: file.credentials },
});
useForeignWorker(stack);

const environment = () => ({ DTS_PUSH_URL: stack.url.href, DTS_PUSH_TOKEN: key.key });
const start = (...args: string[]) => AppProcess.start(args, environment());

/** Runs a command to its end. */
async function run(...args: string[]) {
  const command = start(...args);
  const { code } = await command.exited();
  return { code, stdout: command.stdout, stderr: command.stderr };
}

/** Starts an orchestration of the foreign worker. @returns its id */
async function started(...args: string[]): Promise<string> {
  const { code, stdout } = await run("run", ...args, "--no-watch");
  expect(code).toBe(0);
  return stdout.trimEnd();
}

const jsonLines = (text: string) =>
  text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));

describe("watch", () => {
  test("its exit code is 1 for an operation that has failed or was terminated", async () => {
    const failed = await run("run", "fail");
    expect(failed.code).toBe(1);
    expect(failed.stdout).toMatch(/Z Failed Error: no\n$/);
    const id = await started("wait", "--id", "to-be-terminated");
    const watch = start("watch", id);
    await watch.printed(/RUNNING/);
    const terminate = await run("terminate", id, "--reason", "late", "--recursive");
    expect(terminate.stdout).toMatch(/^to-be-terminated: terminate accepted, it was \w+\n$/);
    expect((await watch.exited()).code).toBe(1);
    expect(watch.stdout).toMatch(/Z TERMINATED late\n$/);
  });

  test("--steps has each step once, in order, and --json all items of the client", async () => {
    const id = await started("echo", "--input", '{"items":3}');
    const [plain, json] = await Promise.all([
      run("watch", id, "--steps"),
      run("watch", id, "--steps", "--json"),
    ]);
    expect([plain.code, json.code]).toEqual([0, 0]);
    const items = jsonLines(json.stdout);
    const steps = items.filter(({ type }) => type === "step").map(({ step }) => step);
    expect(steps.map(({ seq }) => seq)).toEqual(steps.map((_, index) => index + 1));
    expect(items.findLast(({ type }) => type === "operation").operation).toMatchObject({
      operation_id: id,
      status: "Completed",
      result: { items: 3 },
    });
    const printed = [...plain.stdout.matchAll(/^\S+ step (\d+) (\w+)/gm)];
    expect(printed.map(([, seq, kind]) => [Number(seq), kind])).toEqual(
      steps.map(({ seq, kind }) => [seq, kind]),
    );
  });

  test("an id may be whatever a scheduler accepts", async () => {
    const ids = [".", "..", "a/b", "c%2Fd", "-x", "a b?&#"];
    const ends = ids.map(async (id) => {
      expect((await run("run", "echo", `--id=${id}`, "--no-watch")).stdout).toBe(`${id}\n`);
      const { code, stdout } = await run("watch", "--json", "--", id);
      return [code, jsonLines(stdout).at(-1).operation_id];
    });
    expect(await Promise.all(ends)).toEqual(ids.map((id) => [0, id]));
  });

  test("Ctrl-C ends it with 130 and nothing else", async () => {
    const watch = start("run", "wait", "--id", "interrupted");
    await watch.printed(/RUNNING/);
    watch.signal("SIGINT");
    expect(await watch.exited()).toEqual({ code: 130, signal: null });
    expect(watch.stderr).toBe("started interrupted\n");
  });

  test("a reader that closes the pipe ends it", async () => {
    const id = await started("wait");
    const reader = '{ read -r line; exec <&-; echo "$line" >&2; }';
    const script = `"$0" "$@" | ${reader}; echo "ended with $PIPESTATUS"`;
    const prefix = ["bash", "-c", script];
    const watch = AppProcess.start(["watch", id], environment(), { prefix });
    await eventually("the pipe to be closed", () => watch.stderr !== "");
    expect((await run("suspend", id)).code).toBe(0);
    await watch.exited();
    expect(watch.stdout).toBe("ended with 141\n");
    expect(watch.stderr).toMatch(/^\S+ (RUNNING|PENDING)\n$/);
  });
});

test("an operation is started, suspended, resumed, sent an event, listed, restarted and purged", async () => {
  const folder = await temporaryFolder();
  writeFileSync(join(folder, "input.json"), '{"from":"a file"}');
  const options = ["--tag", "of:cli", "--input", `@${join(folder, "input.json")}`];
  const again = [...options, "--idempotency-key", "k1"];
  const id = await started("wait", ...again);
  expect(await started("wait", ...again)).toBe(id);
  const watch = start("watch", id, "--json");
  await watch.printed(/RUNNING/);
  expect((await run("suspend", id, "--reason", "lunch")).stdout).toContain("suspend accepted");
  await watch.printed(/SUSPENDED/);
  expect(jsonLines((await run("resume", id, "--json")).stdout)[0].operation_id).toBe(id);
  expect((await run("event", id, "go", "--data", '"by hand"')).code).toBe(0);
  expect((await watch.exited()).code).toBe(0);
  expect(jsonLines(watch.stdout).at(-1).result).toBe("by hand");

  const filter = ["list", "--tag", "of:cli", "--status", "Completed", "--limit", "5"];
  const [table, json] = await Promise.all([run(...filter), run(...filter, "--json")]);
  const [head, row, ...more] = table.stdout.trimEnd().split("\n");
  expect(head).toMatch(/^OPERATION +STATUS +NAME +CREATED +PROGRESS$/);
  expect(row).toMatch(new RegExp(`^${id}  Completed  wait  \\S+Z$`));
  expect(more).toEqual([]);
  expect(jsonLines(json.stdout).map(({ operation_id }) => operation_id)).toEqual([id]);

  const refused = await run("suspend", id);
  expect(refused).toMatchObject({ code: 2, stdout: "" });
  expect(refused.stderr).toMatch(/^dts-push: .*\(wrong-state\)\n$/);
  const restarted = (await run("restart", id, "--new-id")).stdout.trimEnd();
  expect(restarted).not.toBe(id);
  expect(await run("purge", id)).toEqual({ code: 0, stdout: `${id} purged\n`, stderr: "" });
  const gone = await run("watch", id);
  expect(gone).toMatchObject({ code: 2, stdout: "" });
  expect(gone.stderr).toMatch(/^dts-push: .*\(operation-not-found\)\n$/);
});

test("conformance: with a credential too, and what it does not permit is skipped", async () => {
  const reading = AppProcess.start(["conformance"], {
    ...environment(),
    DTS_PUSH_TOKEN: reader.key,
  });
  const all = await run("conformance", "--name", "echo", "--input", '{"items":3}');
  expect(all.stdout).not.toMatch(/^FAIL/m);
  expect(all.stdout).toMatch(/^pass {2}access: without a credential a request is 401/m);
  expect(all.code).toBe(0);
  expect((await reading.exited()).code).toBe(0);
  expect(reading.stdout).toMatch(/^skip .*: the credential does not permit it/m);
  expect(reading.stdout).toMatch(/ 0 failed, /);
});

test("stdin is an input, and what an operation says cannot control a terminal", async () => {
  const json = JSON.stringify("\u001b[2J\u009bred\u202e\r\nDone");
  const prefix = ["bash", "-c", `printf '%s' '${json}' | "$0" "$@"`];
  const command = ["run", "echo", "--id", "hostile", "--input", "-"];
  const hostile = AppProcess.start(command, environment(), { prefix });
  expect((await hostile.exited()).code).toBe(0);
  expect(hostile.stdout).toMatch(/Z Completed \ufffd\[2J\ufffdred\ufffd Done\n$/);
  const { stdout } = await run("watch", "hostile", "--json");
  expect(stdout).not.toMatch(/[\x7f-\x9f]/);
  expect(jsonLines(stdout).at(-1).result).toBe(JSON.parse(json));
});

describe("what cannot be done is one line and exit code 2", () => {
  test.each([
    [["nonsense"], /^dts-push: There is no command nonsense\./],
    [["watch"], /^dts-push: watch needs <id>\./],
    [["event", "x"], /^dts-push: event needs <id> <name>\./],
    [["list", "x"], /^dts-push: list takes no x\./],
    [["list", "--limit", "0"], /^dts-push: --limit must be a whole number from 1 to 10000\./],
    [["list", "--status", "Done"], /^dts-push: .*\(invalid-query\)/],
    [["watch", "x", "--nonsense"], /^dts-push: Unknown option '--nonsense'/],
    [["run", "x", "--input", "text"], /^dts-push: --input is not JSON/],
    [["run", "x", "--input", "@/nowhere"], /^dts-push: --input cannot be read: ENOENT/],
    [["watch", "x", "--url", "localhost:8000"], /^dts-push: The URL of the server must be/],
    [
      ["watch", "x", "--url", "http://localhost:2"],
      /^dts-push: Cannot reach http:.*:2\/: .*ECONNREFUSED/,
    ],
    [["watch", "x", "--transport", "pigeon"], /^dts-push: --transport is one of/],
    [["watch", "x", "--token", "wrong"], /^dts-push: .*\(unauthenticated\)/],
    [["watch", "x", "--token", "a\u0007b"], /^dts-push: The token has characters/],
    [["watch", "nowhere"], /^dts-push: .*\(operation-not-found\)/],
  ])("%j", async (args, expected) => {
    const { code, stdout, stderr } = await run(...args);
    expect(stderr).toMatch(expected);
    expect(stderr).toMatch(/^[^\n]*\n$/);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  });
});

test("--help and --version", async () => {
  const [all, watch, version, none] = await Promise.all([
    run("--help"),
    run("watch", "--help"),
    run("--version"),
    run(),
  ]);
  expect(all).toMatchObject({ code: 0, stderr: "" });
  for (const name of ["start", "watch <id>", "list", "event <id> <name>"]) {
    expect(all.stdout).toContain(`\n  ${name} `);
  }
  expect(watch.stdout).toMatch(/^Usage: dts-push watch <id> \[options\]\n/);
  expect(watch.stdout).toContain("--transport <transport>");
  expect(version).toEqual({
    code: 0,
    stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    stderr: "",
  });
  expect(none).toEqual({ code: 2, stdout: "", stderr: all.stdout });
});
