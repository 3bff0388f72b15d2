import manifest from "../../../package.json" with { type: "json" };

export const TITLE = manifest.name;
export const VERSION = manifest.version;
