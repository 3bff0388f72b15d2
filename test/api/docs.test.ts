import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, inject, test } from "vitest";
import { PROBLEM_TABLE } from "../../src/api/schemas/problem-table.ts";
import { PROBLEM_TYPE_BASE } from "../../src/problems.ts";
import { checkExamples } from "../helpers/contract/contract.ts";
import { buildIdleApp } from "../helpers/contract/documents.ts";
import { within } from "../helpers/deadline.ts";
import { temporaryFolder } from "../helpers/process.ts";
import { useSharedStack } from "./support/shared-stack.ts";

const stack = useSharedStack();
const { openapi, asyncapi } = inject("documents");

const ROOT = new URL("../../", import.meta.url);
const PAGE = new URL("public/", ROOT);
const PROTOCOL = readFileSync(new URL("docs/PROTOCOL.md", ROOT), "utf8");

const operations = Object.entries(openapi.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

test("every route is described: name, group, summary, scope and what it answers", async () => {
  const views = ["/", "/start", "/connection", "/operations/", "/operations/:id"];
  const files = await readdir(PAGE, { recursive: true });
  const page = new Set([...views, ...files.map((name) => `/${name}`)]);
  const app = await buildIdleApp();
  const undescribed = app.routeTable
    .filter(({ method, config }) => method !== "HEAD" && config?.docs === undefined)
    .filter(({ url }) => !page.has(url) && !/^\/(client|vendor)\//.test(url))
    .map(({ method, url }) => `${method} ${url}`);
  await app.close();
  expect(undescribed).toEqual([]);

  const names = operations.map(({ operation }) => operation.operationId);
  expect(new Set(names).size).toBe(names.length);
  const groups = openapi.tags.map(({ name }) => name);
  for (const { path, method, operation } of operations) {
    const what = `${method} ${path}`;
    expect(operation.operationId, what).toMatch(/^[a-z][A-Za-z]+$/);
    expect(operation.summary, what).toMatch(/^[A-Z].*[^.]$/);
    expect(groups, what).toEqual(expect.arrayContaining([...operation.tags]));
    expect(Object.keys(operation.responses), what).toContainEqual(expect.stringMatching(/^[123]/));
  }
});

test("both documents are valid, without a warning", async () => {
  const folder = await temporaryFolder();
  for (const [name, document] of Object.entries({ openapi, asyncapi })) {
    const file = join(folder, `${name}.json`);
    await writeFile(file, JSON.stringify(document));
    expect(await lint(file), name).toEqual([]);
  }
});

test("operations of AsyncAPI send messages of their own channel", () => {
  for (const [name, { channel, messages }] of Object.entries(asyncapi.operations)) {
    for (const { $ref } of messages) expect($ref, name).toContain(`${channel.$ref}/messages/`);
  }
});

test("each answer, event and message has an example, which is as described", () => {
  expect(checkExamples()).toBeGreaterThan(100);
});

test("events are the same in both documents", () => {
  const { StreamEvent, ...schemas } = openapi.components.schemas;
  for (const [name, schema] of Object.entries(asyncapi.components.schemas)) {
    if (schemas[name]) expect(schemas[name], name).toEqual(schema);
  }
  expect(Object.keys(asyncapi.components.schemas)).toContain("SnapshotEvent");
});

test("the problems of PROTOCOL.md, of the code and of the documents are the same", () => {
  const [, table = ""] = /^\| slug \| status .*?\n(.*?)\n\n/ms.exec(PROTOCOL) ?? [];
  const described = table.split("\n").flatMap((row) => {
    const [, slugs = "", statuses = ""] = row.split("|");
    const numbers = statuses.split(",").map((status) => Number(status.replace("4xx", "400")));
    const names = [...slugs.matchAll(/`([a-z-]+)`/g)].map(([, slug]) => slug as string);
    return names.map((slug, at) => [slug, numbers[at] ?? numbers[0]]);
  });
  const known = Object.entries(PROBLEM_TABLE).map(([slug, { status }]) => [slug, status]);
  expect(Object.fromEntries(described)).toEqual(Object.fromEntries(known));

  const slugs = Object.keys(PROBLEM_TABLE);
  expect(openapi.components.schemas.ProblemType).toMatchObject({
    anyOf: [{ enum: slugs.map((slug) => PROBLEM_TYPE_BASE + slug) }, {}],
  });
});

test("the documents are served", async () => {
  for (const path of ["/openapi.json", "/asyncapi.json"]) {
    const response = await fetch(new URL(path, stack.url));
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toMatch(/^application\/json\b/);
    expect(await response.json()).toEqual(path === "/openapi.json" ? openapi : asyncapi);
  }
});

/** What the linter says about a document. */
async function lint(file: string): Promise<readonly string[]> {
  const linter = fileURLToPath(new URL("node_modules/.bin/redocly", ROOT));
  const env = { ...process.env, REDOCLY_SUPPRESS_UPDATE_NOTICE: "true", REDOCLY_TELEMETRY: "off" };
  const output = new Promise<string>((resolve) => {
    const options = { cwd: fileURLToPath(ROOT), env, maxBuffer: 64 * 1024 * 1024 };
    // Problems make it end with 1; what it printed says which.
    execFile(linter, ["lint", file, "--format=json"], options, (_error, stdout) => resolve(stdout));
  });
  const { problems } = JSON.parse(await within("the linter to end", output));
  return (problems as LintProblem[]).map(
    ({ ruleId, message, location }) => `${ruleId}: ${message} ${location[0]?.pointer}`,
  );
}
interface LintProblem {
  readonly ruleId: string;
  readonly message: string;
  readonly location: readonly { readonly pointer: string }[];
}
