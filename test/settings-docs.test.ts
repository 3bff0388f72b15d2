import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ROLE_HELP } from "../src/cli/role-help.ts";
import { SETTINGS } from "../src/settings.ts";
import { withSettingsTable } from "../src/settings-docs.ts";

test("the README's table of settings is the one that `npm run docs` writes", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  expect(readme).toBe(withSettingsTable(readme));
});

test("--help names every setting, its default and its values", () => {
  for (const [name, { default: value, values }] of Object.entries(SETTINGS)) {
    expect(ROLE_HELP).toContain(value === "" ? `  ${name}\n` : `  ${name} (${value})\n`);
    expect(ROLE_HELP.replaceAll(/\s+/g, " ")).toContain(values);
  }
});
