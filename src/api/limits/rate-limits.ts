import rateLimit from "@fastify/rate-limit";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Scope } from "../../access.ts";
import { ProblemError } from "../../problems.ts";
import { retryAfterS } from "../request/retry-after.ts";

/** What one caller or address may do in a minute; 0 for no limit. */
export interface RateLimits {
  /** Requests of one caller that start or change operations. */
  readonly maxCommandsPerMinutePerCaller: number;
  /** Credentials of one address that are not valid. */
  readonly maxAuthFailuresPerMinute: number;
}

/** Refuses an address that guesses credentials. */
export interface AuthFailures {
  /** To be called before a credential is checked. @throws RateLimitedError after too many failures */
  check(address: string): Promise<void>;
  /** Counts a credential that is not valid: unknown or forged, not one that has expired. */
  count(address: string): Promise<void>;
}

const WINDOW_MS = 60_000;

/**
 * Adds the library to `app`, unless it has it, for the limiters below. Each counts up to 5,000 callers at a time; beyond
 * that, the one that was seen the longest ago is forgotten. Its windows are measured by the wall clock:
 * where that is set back, one lasts longer by as much, and `Retry-After` says so.
 */
export async function addRateLimits(app: FastifyInstance): Promise<void> {
  if (!app.hasDecorator("createRateLimit")) await app.register(rateLimit, { global: false });
}

/** Requests that share a limit, on all routes together. */
interface Limited {
  /** Requests within the window. */
  readonly max: number;
  readonly windowMs: number;
  readonly scopes: readonly Scope[];
  /** Whose requests are counted together. */
  keyOf(request: FastifyRequest): string;
  /** What the caller exceeds, as a sentence. */
  readonly detail: string;
}

/** Limits requests by the scope of their route. A request counts when it arrives, whatever becomes of it. */
function limitScopes(
  app: FastifyInstance,
  { max, windowMs, scopes, keyOf, detail }: Limited,
): void {
  const limited: ReadonlySet<unknown> = new Set(scopes);
  // One limiter for all: those of route options count each route by itself.
  const take = app.createRateLimit({ max, timeWindow: windowMs, keyGenerator: keyOf });
  app.addHook("onRequest", async (request) => {
    if (!limited.has(request.routeOptions.config.scope)) return;
    const result = await take(request);
    if (result.isAllowed || !result.isExceeded) return;
    throw new RateLimitedError(detail, result.ttl);
  });
}

/** Limits what the scheduler has to carry out and store for one caller. It must follow the authentication. */
export function limitCommands(
  app: FastifyInstance,
  { maxCommandsPerMinutePerCaller: max }: Pick<RateLimits, "maxCommandsPerMinutePerCaller">,
): void {
  if (max === 0) return;
  limitScopes(app, {
    max,
    windowMs: WINDOW_MS,
    scopes: ["operations:start", "operations:control"],
    keyOf: ({ access }) => access.caller,
    detail: `This caller may start and change operations ${max} times a minute.`,
  });
}

/** More than a sender makes that collects hints for 5 ms. */
const MAX_HINT_REQUESTS_PER_S = 300;

/** Limits the requests with hints of one caller from one address. It must follow the authentication. */
export function limitHints(app: FastifyInstance): void {
  limitScopes(app, {
    max: MAX_HINT_REQUESTS_PER_S,
    windowMs: 1000,
    scopes: ["hints:send"],
    keyOf: ({ access, ip }) => `${access.caller} ${ip}`,
    detail: `This caller may send hints ${MAX_HINT_REQUESTS_PER_S} times a second, each with up to 1,000 ids.`,
  });
}

/** Limits what one address may try as a credential, whichever caller it claims to be. */
export function limitAuthFailures(
  app: FastifyInstance,
  { maxAuthFailuresPerMinute: max }: Pick<RateLimits, "maxAuthFailuresPerMinute">,
): AuthFailures {
  if (max === 0) return { check: async () => undefined, count: async () => undefined };
  const limiter = app.createRateLimit({
    max,
    timeWindow: WINDOW_MS,
    keyGenerator: (request) => request.ip,
  });
  // All that the limiter needs of a request: a WebSocket checks credentials long after its own.
  const from = (ip: string) => ({ ip, routeOptions: { config: {} } }) as FastifyRequest;
  return {
    async check(address) {
      const result = await limiter(from(address), { increment: false });
      if (result.isAllowed || result.remaining > 0) return;
      const detail = `This address has sent ${max} credentials that are not valid within a minute.`;
      throw new RateLimitedError(detail, result.ttl);
    },
    async count(address) {
      await limiter(from(address));
    },
  };
}

/** Too many requests within a time. */
export class RateLimitedError extends ProblemError {
  constructor(detail: string, waitMs: number) {
    const members = { retryAfterS: retryAfterS(waitMs) };
    super("rate-limited", 429, `${detail} Try again after Retry-After.`, members);
  }
}
