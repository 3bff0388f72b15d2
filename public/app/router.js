import { BASE, urlOf } from "./base.js";

/**
 * Which view an address shows. Links work as links: only plain clicks on addresses of this page are taken over.
 *
 * @typedef {(
 *   | { view: "operations" }
 *   | { view: "operation", id: string }
 *   | { view: "start" }
 *   | { view: "connection" }
 * ) & { query: URLSearchParams }} Route
 */

/** @returns {Route} */
export function currentRoute() {
  const query = new URLSearchParams(location.search);
  const path = location.pathname.slice(BASE.pathname.length);
  if (path.startsWith("operations/")) {
    const id = query.get("operation_id") ?? decode(path.slice("operations/".length));
    return { view: "operation", id, query };
  }
  if (path === "start") return { view: "start", query };
  if (path === "connection") return { view: "connection", query };
  return { view: "operations", query };
}

/** @param {string} id those that a path cannot carry are in the query */
export function operationPath(id) {
  const encoded = encodeURIComponent(id);
  const inPath = /^(?!\.\.?$)[^/\\%]+$/.test(id);
  return urlOf(`operations/${inPath ? encoded : `?operation_id=${encoded}`}`).href;
}

let show = () => {};

/** @param {(route: Route) => void} onRoute called at once, and after each change of the address */
export function startRouter(onRoute) {
  show = () => onRoute(currentRoute());
  addEventListener("popstate", show);
  addEventListener("click", (event) => {
    const { target, button, ctrlKey, metaKey, shiftKey, altKey, defaultPrevented } = event;
    if (defaultPrevented || button !== 0 || ctrlKey || metaKey || shiftKey || altKey) return;
    const link = target instanceof Element ? target.closest("a") : null;
    if (!link || link.target || link.hash || !isView(link)) return;
    event.preventDefault();
    navigate(link.href);
  });
  show();
}

/** @param {string | URL} url */
export function navigate(url) {
  const { href } = new URL(url, BASE);
  if (href !== location.href) history.pushState(null, "", href);
  show();
}

/**
 * Changes the query without showing the view again.
 * @param {URLSearchParams} query
 * @param {"push" | "replace"} how with an entry of its own in the browser's history, or without
 */
export function changeQuery(query, how) {
  const url = location.pathname + (query.size > 0 ? `?${query}` : "");
  if (how === "push") history.pushState(null, "", url);
  else history.replaceState(null, "", url);
}

/** @param {HTMLAnchorElement} link */
function isView({ origin, pathname }) {
  if (origin !== BASE.origin || !pathname.startsWith(BASE.pathname)) return false;
  return /^($|operations\/|start$|connection$)/.test(pathname.slice(BASE.pathname.length));
}

/** @param {string} text */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
