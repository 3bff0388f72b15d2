import manifest from "../../../package.json" with { type: "json" };

export const TITLE = manifest.name;
export const LICENSE = manifest.license;
export const VERSION = manifest.version;

/** How a caller shows who it is. */
export const BEARER = {
  type: "http",
  scheme: "bearer",
  description: "Needed where this server has credentials configured",
};
