import manifest from "../../../package.json" with { type: "json" };

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
