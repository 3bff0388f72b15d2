/** Limits of a request that are checked before its fields are. */
import type { MethodDefinition, ServerInterceptingCall, ServerInterceptor } from "@grpc/grpc-js";
import { invalid, type StatusError } from "../protocol/status-errors.ts";

/** A request has one payload of at most 1 MiB, a batch of ids, or a worker's filters. */
const MAX_REQUEST_BYTES = 4 * 1024 * 1024;
/** Limit of a compressed message once it is unpacked. The SDKs do not compress by default. */
const MAX_DECOMPRESSED_BYTES = 4 * 1024 * 1024;

/** These bring results, which only the server's limit of 128 MiB bounds. */
const RESULTS: readonly string[] = [
  "completeOrchestratorTask",
  "completeActivityTask",
  "completeEntityTask",
];

/** Takes the place of a request that is too large to be parsed. */
export class OversizedRequest {
  readonly error: StatusError;
  constructor(bytes: number) {
    this.error = invalid(`The request has ${bytes} bytes; the limit is ${MAX_REQUEST_BYTES}.`);
  }
}

/** Leaves a request over the limit unparsed, unless it brings results. */
export function boundRequest(
  method: string,
  definition: MethodDefinition<unknown, unknown>,
): MethodDefinition<unknown, unknown> {
  if (RESULTS.includes(method)) return definition;
  return {
    ...definition,
    requestDeserialize: (bytes) =>
      bytes.length > MAX_REQUEST_BYTES
        ? new OversizedRequest(bytes.length)
        : definition.requestDeserialize(bytes),
  };
}

/**
 * Bounds decompression. By itself grpc-js (1.14) decompresses up to the largest message that the
 * server accepts, so a kilobyte sent could take a hundred megabytes here. It checks this property
 * only on compressed messages, and has no option for it.
 */
export const boundDecompression: ServerInterceptor = (_method, call) => {
  Object.assign(call, { maxReceiveMessageSize: MAX_DECOMPRESSED_BYTES });
  return call as ServerInterceptingCall;
};
