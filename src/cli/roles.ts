/** What one process can do. `all` is every part; the others are one part each. */
export type Role = "all" | "api" | "worker" | "scheduler";

const ROLES = new Map<string, Role>([
  ["start", "all"],
  ["all", "all"],
  ["api", "api"],
  ["worker", "worker"],
  ["scheduler", "scheduler"],
]);

/** The role that a command runs, if it runs one. `start` and `all` are the same. */
export function roleOf(command: string): Role | undefined {
  return ROLES.get(command);
}
