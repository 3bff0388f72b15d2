/** What the package consists of beside code: in the repository, where nothing is built, and above `dist/`. */
export const PACKAGE_ROOT = new URL(
  import.meta.url.endsWith(".ts") ? "../../" : "../../../",
  import.meta.url,
);
