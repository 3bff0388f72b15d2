/** What the scheduler needs of a logger; pino has it. */
export interface SchedulerLogger {
  debug(details: object, message: string): void;
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}
