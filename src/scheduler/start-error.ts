/** The scheduler cannot start. The message says what the user can do. */
export class SchedulerStartError extends Error {
  override readonly name = "SchedulerStartError";
}
