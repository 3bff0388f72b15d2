import { settingsHelp } from "../settings-docs.ts";

export const ROLE_HELP = `Usage: dts-push start|api|worker|scheduler

  start      the API and, if no scheduler is named, the embedded scheduler and the sample's worker
             (npm start)
  api        the HTTP, SSE and WebSocket server, and the page
  worker     runs the sample's orchestration
  scheduler  the embedded scheduler, for one machine

SIGTERM closes a process in order, within GRACE_MS. A second signal, at least a second later, closes
what is left at once, still in order.

Settings come from the environment:

${settingsHelp()}`;
