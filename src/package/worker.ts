/** What the package exports as `dts-push/worker`: hints of workers. docs/HINTS.md shows how it is used. */
export { hintInterceptor } from "../dts/hints/hint-interceptor.ts";
export {
  type HintLog,
  type HintOutcome,
  HintSender,
  type HintSenderOptions,
} from "../dts/hints/hint-sender.ts";
