import { createClient, ProblemError } from "../client/client.js";
import { parseJson } from "../parts/json-text.js";
import { BASE, urlOf } from "./base.js";

/**
 * The server that this page belongs to, and what its reader may do there.
 *
 * A credential is kept in this tab alone (sessionStorage, which ends with it), and given to tabs of the same page
 * that ask for one while this tab is open.
 *
 * @typedef {import("../client/client.js").Caller} Caller
 */

const KEY = `dts-push ${BASE.pathname}`;
const WAIT_FOR_TABS_MS = 200;

/** A browser without it asks in each tab. */
const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel(KEY) : undefined;
let credential = sessionStorage.getItem(KEY) ?? "";

channel?.addEventListener("message", ({ data }) => {
  if (data.ask && credential !== "") channel.postMessage({ credential });
});

/** @type {import("../client/client.js").Client} */
export let client = connect("");
/** @type {Caller | undefined} */
export let caller;

/** @param {string} name what tabs that share a connection have in common */
function connect(name) {
  return createClient({
    url: BASE,
    token: () => credential,
    share: `dts-push ${name}`,
    parse: parseJson,
  });
}

/**
 * Finds out who the reader is.
 * @returns {Promise<"known" | "unknown">} `unknown`: the server wants a credential, or another one
 */
export async function identify() {
  let response = await request("api/caller");
  if (response.status === 401 && credential === "") {
    credential = await askOtherTabs();
    if (credential !== "") response = await request("api/caller");
  }
  if (response.status === 401) return "unknown";
  if (!response.ok) throw new Error(`The server answers ${response.status}.`);
  caller = /** @type {Caller} */ (await response.json());
  client = connect(`${caller.authentication} ${caller.caller}`);
  if (credential !== "") sessionStorage.setItem(KEY, credential);
  return "known";
}

/** @param {string} text a key or a token */
export async function signIn(text) {
  credential = text;
  if ((await identify()) === "known") return true;
  credential = "";
  return false;
}

export function signOut() {
  sessionStorage.removeItem(KEY);
  location.assign(BASE);
}

/**
 * Whether to offer something. The server decides all the same.
 * @param {"operations:read" | "operations:start" | "operations:control"} scope
 * @param {string} [id]
 */
export function may(scope, id) {
  return (caller?.scopes ?? []).some((grant) => {
    if (grant === scope) return true;
    if (!grant.startsWith(`${scope}:`)) return false;
    const narrowed = grant.slice(scope.length + 1);
    if (narrowed.startsWith("name=") || id === undefined) return true;
    return id.startsWith(narrowed.replace(/\*$/, ""));
  });
}

/** The reader's credential, for a further client of this page. */
export function credentialOf() {
  return credential;
}

/** @param {string} path */
export function request(path) {
  return fetch(urlOf(path), {
    headers: credential === "" ? {} : { authorization: `Bearer ${credential}` },
  });
}

/**
 * What went wrong, for a reader.
 * @param {unknown} error
 */
export function describe(error) {
  if (error instanceof ProblemError) return error.problem.detail;
  if (error instanceof TypeError) return "The server cannot be reached.";
  return error instanceof Error ? error.message : String(error);
}

/** Whether the server wants another credential. @param {unknown} error */
export function isSignedOut(error) {
  return error instanceof ProblemError && error.status === 401;
}

/** @returns {Promise<string>} */
function askOtherTabs() {
  return new Promise((resolve) => {
    if (!channel) return resolve("");
    const replies = new BroadcastChannel(KEY);
    const end = (/** @type {string} */ found) => {
      clearTimeout(timer);
      replies.close();
      resolve(found);
    };
    const timer = setTimeout(end, WAIT_FOR_TABS_MS, "");
    replies.onmessage = ({ data }) => data.credential && end(data.credential);
    replies.postMessage({ ask: true });
  });
}
