import { settingsHelp } from "./settings-docs.ts";

/** What one process can do. `all` is every part; the others are one part each. */
export type Role = "all" | "api" | "worker" | "scheduler";

const ROLES: readonly string[] = ["all", "api", "worker", "scheduler"] satisfies Role[];

export const HELP = `Usage: npm start, or npm run api|worker|scheduler

  all        the API and, if no scheduler is named, the embedded scheduler and the sample's worker
             (npm start)
  api        the HTTP, SSE and WebSocket server, and the page
  worker     runs the sample's orchestration
  scheduler  the embedded scheduler, for one machine

SIGTERM closes a process in order, within GRACE_MS. A second signal, at least a second later, closes
what is left at once, still in order.

Settings come from the environment:

${settingsHelp()}`;

/** The command line does not say what to run. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** @throws UsageError for anything but one role or a request for help */
export function parseRole(args: readonly string[]): Role | "help" {
  if (args.includes("--help") || args.includes("-h")) return "help";
  const [role = "all", ...rest] = args;
  if (rest.length === 0 && ROLES.includes(role)) return role as Role;
  throw new UsageError(`Unknown arguments: ${args.join(" ")}`);
}
