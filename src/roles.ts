/** What one process can do. `all` is every part; the others are one part each. */
export type Role = "all" | "api" | "worker" | "scheduler";

const ROLES: readonly string[] = ["all", "api", "worker", "scheduler"] satisfies Role[];

export const HELP = `Usage: npm start, or npm run api|worker|scheduler

  all        API and worker, and the embedded scheduler where no other is named (npm start)
  api        the HTTP, SSE and WebSocket server, and the page
  worker     runs the orchestrations
  scheduler  the embedded scheduler, for one machine

Settings come from the environment: HOST, PORT, ENDPOINT, TASKHUB,
DURABLE_TASK_SCHEDULER_CONNECTION_STRING, SCHEDULER_PORT, SCHEDULER_DB, LOG_LEVEL and
more, each with its default in the README's table.
`;

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
