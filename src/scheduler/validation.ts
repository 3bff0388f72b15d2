/** Limits of the Durable Task Scheduler, kept here too so that what works here works there. */
import { invalid } from "./errors.ts";

/** @see https://learn.microsoft.com/azure/azure-functions/durable/durable-task-scheduler/durable-task-scheduler */
const MAX_PAYLOAD_BYTES = 1024 * 1024;
const MAX_ID_LENGTH = 100;
const MAX_BATCH = 500;

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
  return name;
}

/** The ids of a batch call. */
export function checkBatch(batch: { getInstanceidsList(): string[] } | undefined): string[] {
  const ids = batch?.getInstanceidsList() ?? [];
  if (ids.length > MAX_BATCH) {
    throw invalid(`A batch holds at most ${MAX_BATCH} instance ids, got ${ids.length}.`);
  }
  return ids;
}

export function checkPayload(what: string, payload: string | undefined): string | undefined {
  const problem = payloadProblem(what, payload);
  if (problem) throw invalid(problem);
  return payload;
}

/** Says what is wrong with a payload that is too large. */
export function payloadProblem(what: string, payload: string | undefined): string | undefined {
  // A UTF-16 unit is at least one byte and at most three, so most payloads need no counting.
  if (!payload || payload.length * 3 <= MAX_PAYLOAD_BYTES) return undefined;
  const bytes = Buffer.byteLength(payload);
  if (bytes <= MAX_PAYLOAD_BYTES) return undefined;
  return `${what} has ${bytes} bytes; the limit is ${MAX_PAYLOAD_BYTES} (1 MB).`;
}
