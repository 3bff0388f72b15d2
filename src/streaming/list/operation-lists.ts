import { OperationNotFoundError, ProblemError } from "../../problems.ts";
import { isOlder } from "../operation/creation-order.ts";
import { documentOf } from "../operation/document.ts";
import { toWholeOperation, type WholeOperation } from "../operation/operation.ts";
import type { OperationFilter } from "../operation/operation-filter.ts";
import type { Requester } from "../reading/fair-queue.ts";
import type { Listing } from "../reading/listing.ts";
import { type ListedInstance, NewestFirst } from "../reading/newest-first.ts";
import { formatListToken, type ListPlace, parseListToken } from "./list-token.ts";

/** Which operations to list. */
export interface ListQuery {
  /** Whose ids begin with this. */
  readonly prefix: string;
  readonly filter: OperationFilter;
  /** Created at this time or later, in epoch milliseconds. */
  readonly createdFromMs: number | undefined;
  /** Created before this time. */
  readonly createdToMs: number | undefined;
}

/** How they are listed. */
export interface ListOptions {
  /** Most operations of the page. */
  readonly limit: number;
  /** Payloads to include. */
  readonly input: boolean;
  readonly result: boolean;
  /** From the page before. */
  readonly pageToken: string | undefined;
}

/** Reads an operation whose state a query did not list. */
export interface WholeReader {
  /** @throws OperationNotFoundError, SchedulerProblemError */
  readWhole(id: string, requester: Requester): Promise<WholeOperation>;
}

/** Pages of queries after which a list continues on its next page, however few operations it has found. */
const MAX_QUERY_PAGES = 16;
/** Characters of documents after which a page is full. */
const MAX_LENGTH = 4 * 1024 * 1024;
/** Reads of single operations that one page makes at a time. */
const READS_AT_A_TIME = 16;
/** Pages that are made at a time: each holds some megabytes. */
const MAX_UNDER_WAY = 16;

/**
 * Pages of operations, the newest first, whatever order the scheduler lists them in.
 *   OPLIST-1. Following the tokens lists every operation that existed at the first page and matches, each
 *       once, unless it was restarted or purged meanwhile.
 *   OPLIST-2. The work for one page is bounded: it may be short or empty, and have a token.
 *   OPLIST-3. Nothing is kept between two pages. A token is valid at every replica.
 */
export class OperationLists {
  readonly #listing: Listing;
  readonly #reader: WholeReader;
  #underWay = 0;

  constructor(listing: Listing, reader: WholeReader) {
    this.#listing = listing;
    this.#reader = reader;
  }

  /**
   * One page as JSON: `{"operations":[…],"next_page_token"?}`.
   * @throws ForbiddenError where the caller may not read all that is listed, ProblemError
   *   `invalid-query` for a token of another list, `too-many-lists`; SchedulerError
   */
  async page(query: ListQuery, options: ListOptions, requester: Requester): Promise<string> {
    requester.access.checkReadAll(query.prefix);
    const place = placeOf(query, options.pageToken);
    if (this.#underWay >= MAX_UNDER_WAY) throw new TooManyListsError();
    this.#underWay += 1;
    try {
      const page = new Page(query, options);
      await this.#fill(page, place, requester);
      return page.toJson();
    } finally {
      this.#underWay -= 1;
    }
  }

  async #fill(page: Page, place: ListPlace | undefined, requester: Requester): Promise<void> {
    const { prefix, filter, createdFromMs, createdToMs } = page.query;
    const windows = new NewestFirst(this.#listing, {
      idPrefix: prefix,
      statuses: filter.runtimeStatuses,
      createdFromMs,
      createdToMs: place?.toMs ?? createdToMs,
      widthMs: place?.widthMs,
    });
    while (!windows.isDone) {
      const { listed } = await windows.next();
      const matching = listed.filter(
        ({ instance }) => isAfter(instance, place) && filter.matches(instance),
      );
      if (windows.isTooFull) throw new TooManyAtOnceError();
      for (let at = 0; at < matching.length; at += READS_AT_A_TIME) {
        const some = matching.slice(at, at + READS_AT_A_TIME);
        const rows = await Promise.all(some.map((each) => this.#rowOf(each, filter, requester)));
        for (const row of rows) {
          if (!row || !page.add(row)) continue;
          const { id, createdAtMs } = row.operation.instance;
          page.continueAt({
            toMs: createdAtMs + 1,
            afterId: id,
            widthMs: windows.widthMs,
          });
          return;
        }
      }
      const { listedFromMs: toMs, widthMs, pages } = windows;
      if (windows.isDone || toMs === undefined || pages < MAX_QUERY_PAGES) continue;
      const afterId = toMs === place?.toMs ? place.afterId : undefined;
      page.continueAt({ toMs, afterId, widthMs }); // OPLIST-2
      return;
    }
  }

  /** The whole state of a listed instance; `undefined` where it is not, any more, what was listed. */
  async #rowOf(
    { instance, page }: ListedInstance,
    filter: OperationFilter,
    requester: Requester,
  ): Promise<WholeOperation | undefined> {
    if (page.complete) return toWholeOperation(instance);
    try {
      const row = await this.#reader.readWhole(instance.id, requester);
      const { createdAtMs } = row.operation.instance;
      const isListed = createdAtMs === instance.createdAtMs;
      return isListed && filter.matches(row.operation.instance) ? row : undefined;
    } catch (error) {
      if (error instanceof OperationNotFoundError) return undefined;
      throw error;
    }
  }
}

/** A page that is being filled. */
class Page {
  readonly query: ListQuery;
  readonly #options: ListOptions;
  readonly #rows: string[] = [];
  #length = 0;
  #token: string | undefined;

  constructor(query: ListQuery, options: ListOptions) {
    this.query = query;
    this.#options = options;
  }

  /** @returns whether the page is full now */
  add({ operation, input }: WholeOperation): boolean {
    const { limit, result, ...options } = this.#options;
    const row = documentOf(operation, { result, input: options.input ? input : undefined });
    this.#rows.push(row);
    this.#length += row.length;
    return this.#rows.length >= limit || this.#length >= MAX_LENGTH;
  }

  continueAt(place: ListPlace): void {
    this.#token = formatListToken(keyOf(this.query), place);
  }

  toJson(): string {
    const token = this.#token && `,"next_page_token":${JSON.stringify(this.#token)}`;
    return `{"operations":[${this.#rows.join(",")}]${token ?? ""}}`;
  }
}

/** @throws ProblemError */
function placeOf(query: ListQuery, pageToken: string | undefined): ListPlace | undefined {
  if (pageToken === undefined) return undefined;
  const place = parseListToken(pageToken, keyOf(query));
  if (place) return place;
  const detail =
    '"page_token" must be the "next_page_token" of a page of the same list: with the same filters.';
  throw new ProblemError("invalid-query", 400, detail);
}

/** What a token is bound to. */
function keyOf({ prefix, filter, createdFromMs, createdToMs }: ListQuery): string {
  return JSON.stringify([prefix, filter.key, createdFromMs, createdToMs]);
}

/** Whether an instance belongs to the page that begins at `place`. */
function isAfter(instance: ListedInstance["instance"], place: ListPlace | undefined): boolean {
  if (place?.afterId === undefined) return true;
  return isOlder(instance, { id: place.afterId, createdAtMs: place.toMs - 1 });
}

class TooManyListsError extends ProblemError {
  constructor() {
    const detail = "This replica makes as many lists as it can. Try again after Retry-After.";
    super("too-many-lists", 503, detail, { retryAfterS: 1 });
  }
}

class TooManyAtOnceError extends ProblemError {
  constructor() {
    const detail =
      "Too many of these operations were created within one millisecond to be put in order. Narrow the " +
      "list by prefix or status.";
    super("invalid-query", 400, detail);
  }
}
