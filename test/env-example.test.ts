import { readFileSync } from "node:fs";
import { parseEnv } from "node:util";
import { expect, test } from "vitest";
import { readConfig } from "../src/config.ts";

const read = (name: string) => readFileSync(new URL(`../${name}`, import.meta.url), "utf8");

/** The settings of .env.example, all of which are commented out. */
const example = parseEnv(read(".env.example").replaceAll(/^#(?=[A-Z_]+=)/gm, ""));

test(".env.example names every setting of the README", () => {
  const rows = read("README.md").matchAll(/^\| ((?:`[A-Z_]+`(?:, )?)+) \|/gm);
  const names = [...rows].flatMap(([, cell = ""]) => cell.match(/[A-Z_]+/g) ?? []);
  expect(names).toContain("PORT");
  expect(Object.keys(example)).toEqual(expect.arrayContaining(names));
});

test(".env.example shows the defaults", () => {
  // The connection string is a pattern, and an endpoint turns the embedded scheduler off.
  const { DURABLE_TASK_SCHEDULER_CONNECTION_STRING, ENDPOINT, ...settings } = example;
  expect(readConfig(settings)).toEqual(readConfig({}));
});
