import { readFileSync } from "node:fs";
import { PACKAGE_ROOT } from "../package-root.ts";

const manifest = JSON.parse(readFileSync(new URL("package.json", PACKAGE_ROOT), "utf8")) as {
  readonly name: string;
  readonly license: string;
  readonly version: string;
};

export const TITLE = manifest.name;
export const LICENSE = manifest.license;
export const VERSION = manifest.version;

/** How a caller shows who it is, where this server has credentials configured. */
export const SECURITY_SCHEMES = {
  bearer: {
    type: "http",
    scheme: "bearer",
    description:
      "An API key, an access token of the issuer that this server trusts, or a stream token",
  },
  streamToken: {
    type: "apiKey",
    in: "query",
    name: "access_token",
    description: "A stream token, for streams of pages, which cannot set headers",
  },
} as const;
