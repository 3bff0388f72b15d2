import { indicator } from "../parts/indicator.js";
import { render } from "../vendor/lit-html/lit-html.js";
import { showConnection } from "../views/connection.js";
import { showOperation } from "../views/operation.js";
import { showOperations } from "../views/operations.js";
import { askForCredential, readerMenu } from "../views/sign-in.js";
import { showStart } from "../views/start.js";
import { currentRoute, startRouter } from "./router.js";
import { describe, identify, isSignedOut } from "./server.js";

/**
 * @typedef {import("../client/client.js").ConnectionState} ConnectionState
 *
 * What a view gets: where it draws, until when, where it reports how up to date it is, and what ended what it follows.
 * @typedef {{
 *   root: HTMLElement,
 *   signal: AbortSignal,
 *   onState(state: ConnectionState | undefined, isLoaded?: boolean): void,
 *   onError(error: unknown): void,
 * }} Stage
 */

const RETRY_MS = 3000;

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const reader = /** @type {HTMLElement} */ (document.getElementById("reader"));
let current = new AbortController();

// Other views have other addresses, to which relative ones would then refer.
for (const link of document.querySelectorAll("header a, link[rel=icon]")) {
  const { href } = /** @type {HTMLAnchorElement} */ (link);
  link.setAttribute("href", href);
}
await becomeKnown();
startRouter(show);

/** Until the server knows who reads it. */
async function becomeKnown() {
  for (;;) {
    try {
      if ((await identify()) === "unknown") await askForCredential(main);
      break;
    } catch (error) {
      main.textContent = `${describe(error)} Trying again …`;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
  render(readerMenu(), reader);
}

/** @param {import("./router.js").Route} route */
function show(route) {
  const isFirst = main.querySelector(".view") === null;
  current.abort();
  current = new AbortController();
  const { signal } = current;
  const root = document.createElement("div");
  root.className = `view ${route.view}`;
  main.replaceChildren(root);
  markLink();
  scrollTo(0, 0);
  if (!isFirst) main.focus({ preventScroll: true });
  const stage = { root, signal, onState: indicator(signal), onError };
  switch (route.view) {
    case "operations":
      return showOperations(stage, route.query);
    case "operation":
      return showOperation(stage, route.id);
    case "start":
      return showStart(stage, route.query);
    case "connection":
      return showConnection(stage);
  }
}

/** A credential has expired, or was withdrawn: the reader signs in again, and goes on. @param {unknown} error */
async function onError(error) {
  if (!isSignedOut(error) || current.signal.aborted) return;
  current.abort();
  await askForCredential(main);
  render(readerMenu(), reader);
  show(currentRoute());
}

/** Marks the link of the view that is shown. */
function markLink() {
  for (const link of document.querySelectorAll("nav a")) {
    const { pathname } = /** @type {HTMLAnchorElement} */ (link);
    if (pathname === location.pathname) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}
