#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
/** The command `dts-push`. What is a server and what uses one are loaded apart. */

import { roleOf } from "./cli/roles.ts";

const [command, ...args] = process.argv.slice(2);
const role = command === undefined ? undefined : roleOf(command);
if (role) {
  const { runRole } = await import("./cli/run-role.ts");
  await runRole(role, args);
} else {
  const { runCommand } = await import("./cli/commands/run-command.ts");
  process.exitCode = await runCommand(command, args);
}
