import type { Command } from "./command.ts";
import { conformance } from "./conformance.ts";
import { event, purge, restart, resume, rewind, suspend, terminate } from "./control.ts";
import { list } from "./list.ts";
import { run, startOperation } from "./start.ts";
import { watch } from "./watch.ts";

/** What uses a server, by its name on the command line. */
export const COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([
  ["watch", watch],
  ["list", list],
  ["run", run],
  ["start-operation", startOperation],
  ["suspend", suspend],
  ["resume", resume],
  ["terminate", terminate],
  ["rewind", rewind],
  ["restart", restart],
  ["event", event],
  ["purge", purge],
  ["conformance", conformance],
]);
