import { isActive } from "../parts/status.js";
import { isGone } from "./gone.js";
import { client } from "./server.js";

/**
 * The operations of the task hub that match a filter, newest first, as they come and change.
 *
 *   PAGE-1. The feed keeps the newest 1,000 up to date. Older ones are listed on demand, a page at a time, and those
 *       that are seen and active are watched one by one.
 *   PAGE-2. What a list says never replaces a newer state.
 *   PAGE-3. Rows that are far below what is seen are dropped, and listed again if they are wanted: what is kept does
 *       not grow with a busy task hub.
 *
 * @typedef {import("../client/client.js").OperationDocument} Operation
 * @typedef {import("../client/client.js").OperationStatus} OperationStatus
 * @typedef {import("../client/client.js").OperationFilter} Filter
 * @typedef {import("../client/client.js").ConnectionState} ConnectionState
 * @typedef {{ before?: Operation, operation?: Operation }} Change
 */

/** Operations of one feed. */
export const FEED_ROWS = 1000;
/** Rows of one page of older operations. */
const PAGE_ROWS = 200;
/** Rows that are kept below the last one that is seen. */
const KEPT_BELOW = 1500;

export class Feed {
  /** Newest first. @type {Operation[]} */
  rows = [];
  /** @type {ConnectionState} */
  state = { kind: "connecting" };
  /** What ended it. @type {unknown} */
  error;
  /** Whether there are older operations than the rows. @type {"idle" | "loading" | "complete" | "failed"} */
  older = "complete";
  /** @type {Map<string, Operation>} */
  #byId = new Map();
  /** Rows of lists alone. @type {Set<string>} */
  #listed = new Set();
  /** Rows from before a feed that began anew, which it has not sent again. @type {Set<string>} */
  #suspects = new Set();
  /** Of the state at that time: a later one means that the feed has been sent. @type {string | null} */
  #suspectAsOf = null;
  #filter;
  /** @type {OperationStatus | undefined} */
  #status;
  #onChange;
  #stopped = new AbortController();
  #watched = { ids: "", stop: new AbortController() };
  /** @type {string | undefined} */
  #pageToken;
  /** The list begins at this date. @type {string | undefined} */
  #olderThan;
  /** Whether older ones are listed of every status. */
  #listsAll = true;

  /**
   * @param {Filter} filter by the server
   * @param {OperationStatus | undefined} status of older operations that are listed
   * @param {(change: Change) => void} onChange
   */
  constructor(filter, status, onChange) {
    this.#filter = filter;
    this.#status = status;
    this.#onChange = onChange;
  }

  start() {
    void this.#follow();
  }

  close() {
    this.#stopped.abort();
    this.#watched.stop.abort();
  }

  /** Whether all that the feed has at first has come. */
  get isLoaded() {
    return this.state.kind === "live" && this.state.as_of !== null;
  }

  /** Whether the rows are all operations of this status. @param {OperationStatus} status */
  hasAll(status) {
    return this.older === "complete" && (this.#listsAll || status === this.#status);
  }

  /** @param {string} id */
  get(id) {
    return this.#byId.get(id);
  }

  /** Takes a row away. @param {string} id */
  remove(id) {
    const operation = this.#byId.get(id);
    if (!operation) return;
    this.#byId.delete(id);
    this.#listed.delete(id);
    this.rows.splice(this.#indexOf(operation), 1);
    this.#onChange({ before: operation });
  }

  /** Older operations of another status are wanted. @param {OperationStatus | undefined} status */
  setStatus(status) {
    this.#status = status;
    if (this.older === "complete" && this.#listsAll) return;
    this.rows = this.rows.filter(({ operation_id: id }) => !this.#listed.has(id));
    for (const id of this.#listed) this.#byId.delete(id);
    this.#listed.clear();
    this.#listFromEnd();
  }

  /** Lists the next older operations. */
  async loadOlder() {
    if (this.older !== "idle") return;
    this.older = "loading";
    this.#olderThan ??= this.rows.at(-1)?.created_at;
    const [status, olderThan] = [this.#status, this.#olderThan];
    try {
      const { operations, next_page_token } = await client.list({
        ...this.#filter,
        ...(status && { status }),
        limit: PAGE_ROWS,
        ...(olderThan && { created_before: after(olderThan) }),
        ...(this.#pageToken && { page_token: this.#pageToken }),
      });
      // Meanwhile another list may be wanted.
      if (status !== this.#status || olderThan !== this.#olderThan) return;
      this.#pageToken = next_page_token;
      for (const operation of operations) this.#put(operation, "list");
      this.older = next_page_token === undefined ? "complete" : "idle";
    } catch {
      this.older = "failed";
    }
    this.#report({});
  }

  loadOlderAgain() {
    this.older = "idle";
    void this.loadOlder();
  }

  /**
   * What of it is seen: PAGE-1, PAGE-3.
   * @param {readonly Operation[]} seen
   * @param {number} last index behind the last one
   */
  look(seen, last) {
    const kept = Math.max(FEED_ROWS, last) + KEPT_BELOW;
    if (this.rows.length > kept + PAGE_ROWS) {
      for (const { operation_id: id } of this.rows.splice(kept)) {
        this.#byId.delete(id);
        this.#listed.delete(id);
      }
      this.#listFromEnd();
    }
    const newest = this.rows[FEED_ROWS];
    const old = newest ? seen.filter((each) => isActive(each) && !isBefore(each, newest)) : [];
    this.#watch(old.map(({ operation_id: id }) => id).sort());
  }

  #listFromEnd() {
    this.older = "idle";
    this.#listsAll = this.#status === undefined;
    this.#pageToken = undefined;
    this.#olderThan = this.rows.at(-1)?.created_at;
  }

  async #follow() {
    const { signal } = this.#stopped;
    const onState = (/** @type {ConnectionState} */ state) => {
      this.state = state;
      if (state.kind === "live" && state.as_of !== this.#suspectAsOf) this.#dropSuspects();
      this.#report({});
    };
    try {
      for await (const item of client.watchFeed(this.#filter, { signal, onState })) {
        if (item.type === "operation") this.#put(item.operation, "feed");
        else if (item.type === "removed") this.remove(item.operation_id);
        else if (item.type === "reset") this.#suspectAll();
        else if (item.problem.type.endsWith(":feed-truncated") && this.older === "complete") {
          this.older = "idle";
          this.#listsAll = this.#status === undefined;
        }
      }
    } catch (error) {
      this.error = error;
      this.#report({});
    }
  }

  /** What ceased to match before the feed began anew is not named by it. */
  #suspectAll() {
    this.#suspects = new Set([...this.#byId.keys()].filter((id) => !this.#listed.has(id)));
    this.#suspectAsOf = this.state.kind === "live" ? this.state.as_of : null;
  }

  #dropSuspects() {
    const suspects = this.#suspects;
    this.#suspects = new Set();
    for (const id of suspects) this.remove(id);
  }

  /** @param {readonly string[]} ids */
  #watch(ids) {
    const key = ids.join("\n");
    if (key === this.#watched.ids) return;
    this.#watched.stop.abort();
    const stop = new AbortController();
    this.#watched = { ids: key, stop };
    const follow = async () => {
      for await (const operation of client.watchMany(ids, { signal: stop.signal })) {
        this.#put(operation, "list");
      }
    };
    follow().catch(() => undefined); // The list says what it said; the feed reports what is wrong with the server.
  }

  /** @param {Operation} operation @param {"feed" | "list"} from */
  #put(operation, from) {
    if (isGone(operation)) return;
    const id = operation.operation_id;
    const before = this.#byId.get(id);
    if (from === "feed") {
      this.#listed.delete(id);
      this.#suspects.delete(id);
    } else if (!before) this.#listed.add(id);
    else if (isOlder(operation, before)) return; // PAGE-2
    if (before?.cursor === operation.cursor) return;
    if (before) this.rows.splice(this.#indexOf(before), 1);
    this.#byId.set(id, operation);
    this.rows.splice(this.#indexOf(operation), 0, operation);
    this.#report({ ...(before && { before }), operation });
  }

  /** @param {Change} change */
  #report(change) {
    if (!this.#stopped.signal.aborted) this.#onChange(change);
  }

  /** Where an operation is, or belongs. @param {Operation} operation */
  #indexOf(operation) {
    let [low, high] = [0, this.rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(/** @type {Operation} */ (this.rows[middle]), operation)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * Whether `a` stands above `b`.
 * @param {Operation} a
 * @param {Operation} b
 */
function isBefore(a, b) {
  if (a.created_at !== b.created_at) return a.created_at > b.created_at;
  return a.operation_id > b.operation_id;
}

/**
 * @param {Operation} a
 * @param {Operation} b
 */
function isOlder(a, b) {
  if (a.created_at !== b.created_at) return a.created_at < b.created_at;
  return a.last_updated < b.last_updated;
}

/** The next millisecond, so that a page includes what was created in this one. @param {string} date */
function after(date) {
  return new Date(Date.parse(date) + 1).toISOString();
}
