/** `npm run docs`: writes into the README what is generated from the code. */
import { readFileSync, writeFileSync } from "node:fs";
import { withSettingsTable } from "../src/settings-docs.ts";

const README = new URL("../README.md", import.meta.url);

writeFileSync(README, withSettingsTable(readFileSync(README, "utf8")));
