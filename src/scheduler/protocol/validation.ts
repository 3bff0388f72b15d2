/**
 * Limits of what callers may send. Some are those of the Durable Task Scheduler, so that what works
 * here works there; the others bound the cost of one call.
 */

import { failureDetails } from "./history-events.ts";
import type { pb } from "./proto.ts";
import { ALL_STATUSES, isTerminal, TERMINATED } from "./status.ts";
import { invalid } from "./status-errors.ts";
import { type Tags, tagsOf } from "./tags.ts";

/** @see https://learn.microsoft.com/azure/azure-functions/durable/durable-task-scheduler/durable-task-scheduler */
const MAX_PAYLOAD_BYTES = 1024 * 1024;
const MAX_ID_LENGTH = 100;
const MAX_BATCH = 500;

/** Limit of names of orchestrations, activities, events and operations, of versions and of request ids. */
const MAX_NAME_LENGTH = 1000;
/** Limit of all tags together, since every read of a state returns them. */
const MAX_TAGS_BYTES = 32 * 1024;
const MAX_TRACE_CONTEXT_BYTES = 8 * 1024;
/** A page token holds an id or two numbers. */
const MAX_TOKEN_LENGTH = 200;
/** Limits of a worker's filters: names of one kind, and versions of one name. */
const MAX_FILTERS = 1000;
const MAX_FILTER_VERSIONS = 100;

export function checkInstanceId(id: string): string {
  const problem = instanceIdProblem(id);
  if (problem) throw invalid(problem);
  return id;
}

/** An id is printable ASCII, at most 100 characters, and does not begin with "@", which names entities. */
export function instanceIdProblem(id: string): string | undefined {
  if (id.length === 0 || id.length > MAX_ID_LENGTH) {
    return `An instance id must have 1 to ${MAX_ID_LENGTH} characters, got ${id.length}.`;
  }
  if (!/^[ -~]*$/.test(id)) return "An instance id must consist of printable ASCII characters.";
  if (id.startsWith("@")) return `An instance id must not begin with '@': '${id}'.`;
  return undefined;
}

export function checkEntityId(id: string): string {
  const problem = entityIdProblem(id);
  if (problem) throw invalid(problem);
  return id;
}

/** An entity's id is `@name@key`. */
export function entityIdProblem(id: string): string | undefined {
  if (id.length > MAX_ID_LENGTH) {
    return `An entity id must have at most ${MAX_ID_LENGTH} characters, got ${id.length}.`;
  }
  if (!/^@[^@]+@/.test(id)) return `An entity id has the form '@name@key', got '${id}'.`;
  return undefined;
}

export function checkName(what: string, name: string): string {
  if (!name) throw invalid(`${what} must not be empty.`);
  return checkLength(what, name, MAX_NAME_LENGTH);
}

/** A version or a request id, which may be absent. */
export function checkLabel<T extends string | undefined>(what: string, label: T): T {
  if (label !== undefined) checkLength(what, label, MAX_NAME_LENGTH);
  return label;
}

export function checkToken(token: string | undefined): string | undefined {
  return token && checkLength("The page token", token, MAX_TOKEN_LENGTH);
}

export function checkIdPrefix(prefix: string | undefined): string | undefined {
  return prefix && checkLength("The prefix of the ids", prefix, MAX_ID_LENGTH);
}

function checkLength(what: string, text: string, limit: number): string {
  const problem = lengthProblem(what, text, limit);
  if (problem) throw invalid(problem);
  return text;
}

function lengthProblem(what: string, text: string, limit: number): string | undefined {
  if (text.length <= limit) return undefined;
  return `${what} has ${text.length} characters; the limit is ${limit}.`;
}

export function nameProblem(what: string, name: string): string | undefined {
  return lengthProblem(what, name, MAX_NAME_LENGTH);
}

export function checkTags(message: Parameters<typeof tagsOf>[0]): Tags {
  const tags = tagsOf(message);
  const problem = tagsProblem(tags);
  if (problem) throw invalid(problem);
  return tags;
}

export function tagsProblem(tags: Tags): string | undefined {
  let bytes = 0;
  for (const [key, value] of tags) bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  if (bytes <= MAX_TAGS_BYTES) return undefined;
  return `The tags have ${bytes} bytes in all; the limit is ${MAX_TAGS_BYTES}.`;
}

export function checkTraceContext(context: pb.TraceContext | undefined) {
  const problem = traceContextProblem(context);
  if (problem) throw invalid(problem);
  return context;
}

export function traceContextProblem(
  context: { serializeBinary(): Uint8Array } | undefined,
): string | undefined {
  const bytes = context?.serializeBinary().length ?? 0;
  if (bytes <= MAX_TRACE_CONTEXT_BYTES) return undefined;
  return `The trace context has ${bytes} bytes; the limit is ${MAX_TRACE_CONTEXT_BYTES}.`;
}

/** @returns each status once */
export function checkStatuses(statuses: readonly number[]): number[] {
  const asked = [...new Set(statuses)];
  const unknown = asked.find((status) => !ALL_STATUSES.includes(status));
  if (unknown !== undefined) throw invalid(`There is no runtime status ${unknown}.`);
  return asked;
}

/** Replacing an active instance terminates it, so the policy must include that status. */
export function checkReusePolicy(
  policy: pb.OrchestrationIdReusePolicy | undefined,
): number[] | undefined {
  if (!policy) return undefined;
  const replaceable = checkStatuses(policy.getReplaceablestatusList());
  if (replaceable.some((s) => !isTerminal(s)) && !replaceable.includes(TERMINATED)) {
    // The wording of the Durable Task Scheduler.
    throw invalid(
      "Invalid reusable statuses: cannot exclude 'Terminated' while also allowing reuse of running instances",
    );
  }
  return replaceable;
}

/** The ids of a batch call. */
export function checkBatch(batch: { getInstanceidsList(): string[] } | undefined): string[] {
  const ids = batch?.getInstanceidsList() ?? [];
  if (ids.length > MAX_BATCH) {
    throw invalid(`A batch holds at most ${MAX_BATCH} instance ids, got ${ids.length}.`);
  }
  return ids;
}

type Filter = { getName(): string; getVersionsList?(): string[] };

/** Checks a worker's filters, which are kept in memory while it is connected. */
export function checkFilters(filters: pb.WorkItemFilters | undefined) {
  const kinds: readonly (readonly Filter[])[] = [
    filters?.getOrchestrationsList() ?? [],
    filters?.getActivitiesList() ?? [],
    filters?.getEntitiesList() ?? [],
  ];
  for (const names of kinds) {
    if (names.length > MAX_FILTERS) {
      throw invalid(
        `A worker filters by at most ${MAX_FILTERS} names of a kind, got ${names.length}.`,
      );
    }
    for (const filter of names) {
      const versions = filter.getVersionsList?.() ?? [];
      if (versions.length > MAX_FILTER_VERSIONS) {
        throw invalid(
          `A filter has at most ${MAX_FILTER_VERSIONS} versions, got ${versions.length}.`,
        );
      }
      for (const text of [filter.getName(), ...versions]) checkLabel("A filter's name", text);
    }
  }
  return filters;
}

export function checkPayload(what: string, payload: string | undefined): string | undefined {
  const problem = payloadProblem(what, payload);
  if (problem) throw invalid(problem);
  return payload;
}

/** @returns a description of the problem when the payload is too large */
export function payloadProblem(what: string, payload: string | undefined): string | undefined {
  // A UTF-16 unit has one to three bytes, so most payloads need no counting.
  if (!payload || payload.length * 3 <= MAX_PAYLOAD_BYTES) return undefined;
  const bytes = Buffer.byteLength(payload);
  if (bytes <= MAX_PAYLOAD_BYTES) return undefined;
  return `${what} has ${bytes} bytes; the limit is ${MAX_PAYLOAD_BYTES} (1 MB).`;
}

interface Call {
  getName(): string;
  getInput(): { getValue(): string } | undefined;
  getVersion?(): { getValue(): string } | undefined;
  getTagsMap?: Parameters<typeof tagsOf>[0]["getTagsMap"];
  getParenttracecontext?(): pb.TraceContext | undefined;
}

/** @returns a description of the problem with an activity, orchestration or signal that worker code asks for */
export function callProblem(what: string, call: Call): string | undefined {
  const name = call.getName();
  return (
    nameProblem(`The name of the ${what}`, name) ??
    nameProblem(`The version of ${what} '${name}'`, call.getVersion?.()?.getValue() ?? "") ??
    payloadProblem(`The input of ${what} '${name}'`, call.getInput()?.getValue()) ??
    (hasTags(call) ? tagsProblem(tagsOf(call)) : undefined) ??
    traceContextProblem(call.getParenttracecontext?.())
  );
}

function hasTags(call: Call): call is Call & Parameters<typeof tagsOf>[0] {
  return call.getTagsMap !== undefined;
}

/** Length to which the message is cut when failure details are too large. */
const KEPT_MESSAGE_LENGTH = 1000;

/** The failure as it is stored: a failure that is too large is cut. */
export function boundedFailure(
  failure: pb.TaskFailureDetails | undefined,
): pb.TaskFailureDetails | undefined {
  if (!failure) return undefined;
  const bytes = failure.serializeBinary().length;
  if (bytes <= MAX_PAYLOAD_BYTES) return failure;
  const message = failure.getErrormessage().slice(0, KEPT_MESSAGE_LENGTH);
  return failureDetails(
    failure.getErrortype().slice(0, MAX_NAME_LENGTH),
    `${message} (The failure details had ${bytes} bytes; the limit is ${MAX_PAYLOAD_BYTES}.)`,
  );
}
