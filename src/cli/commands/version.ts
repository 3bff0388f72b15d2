import { readFileSync } from "node:fs";

/** One folder further up in the package, which is built to `dist/`. */
const PACKAGE = import.meta.url.endsWith(".ts")
  ? "../../../package.json"
  : "../../../../package.json";

/** The version of this package. */
export function version(): string {
  return JSON.parse(readFileSync(new URL(PACKAGE, import.meta.url), "utf8")).version;
}
