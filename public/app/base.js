/** Where the server is. It may be below a path of another application, so no address on the page begins with `/`. */
export const BASE = new URL("..", import.meta.url);

/** @param {string} path such as `api/caller`; empty for the page itself */
export function urlOf(path) {
  return new URL(path, BASE);
}
