/** What the package `dts-push` exports. docs/EMBED.md shows how it is used. */
export type { Grant, Scope } from "../access.ts";
export type { AppCaller, Authenticate } from "../api/credentials/app-callers.ts";
export { SERVER_OPTIONS as fastifyOptions } from "../api/server.ts";
export { ConfigError } from "../config.ts";
export type { DtsPushOptions, StandAloneOptions } from "./options.ts";
export { dtsPush } from "./plugin.ts";
export { createDtsPush, type RunningDtsPush } from "./stand-alone.ts";
