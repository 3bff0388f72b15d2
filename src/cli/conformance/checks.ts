import type { Check } from "./check.ts";
import { ACCESS } from "./checks/access.ts";
import { CONTROL } from "./checks/control.ts";
import { FEED } from "./checks/feed.ts";
import { LISTS } from "./checks/lists.ts";
import { OTHER_REQUESTS } from "./checks/other-requests.ts";
import { PROBLEMS } from "./checks/problems.ts";
import { SEVERAL } from "./checks/several.ts";
import { SSE } from "./checks/sse.ts";
import { STARTS } from "./checks/starts.ts";
import { LONG_POLL, STATUS } from "./checks/status.ts";
import { STEPS } from "./checks/steps.ts";
import { WEBSOCKET } from "./checks/websocket.ts";
import { WEBSOCKET_FEED } from "./checks/websocket-feed.ts";
import { WEBSOCKET_REFUSALS } from "./checks/websocket-refusals.ts";

/** All checks, in the order of docs/PROTOCOL.md. */
export const CHECKS: readonly Check[] = [
  ...STATUS,
  ...STARTS,
  ...CONTROL,
  ...LISTS,
  ...LONG_POLL,
  ...OTHER_REQUESTS,
  ...PROBLEMS,
  ...SSE,
  ...SEVERAL,
  ...FEED,
  ...STEPS,
  ...WEBSOCKET,
  ...WEBSOCKET_FEED,
  ...WEBSOCKET_REFUSALS,
  ...ACCESS,
];
