/** Descriptors for everything that is no client: files, the scheduler's connections, Node itself. */
const RESERVED = 64;
/** Sockets that streams leave to other requests, and to the refusal of further streams. */
const MIN_FOR_REQUESTS = 64;
const REQUESTS_SHARE = 0.05;
/** Even a process with next to no descriptors serves a few clients. */
const MIN_SOCKETS = 8;

/** How many clients the process can have at a time. */
export interface ClientLimits {
  /** Sockets of any kind; `undefined`: no limit is known. */
  readonly maxSockets: number | undefined;
  readonly maxStreams: number;
}

/** The limits under which `maxConnections` streams, or fewer, fit into `descriptors`. */
export function clientLimits(
  maxConnections: number,
  descriptors: number | undefined,
): ClientLimits {
  if (descriptors === undefined) return { maxSockets: undefined, maxStreams: maxConnections };
  const maxSockets = Math.max(MIN_SOCKETS, descriptors - RESERVED);
  const forRequests = Math.max(MIN_FOR_REQUESTS, Math.ceil(maxSockets * REQUESTS_SHARE));
  const forStreams = Math.max(Math.floor(maxSockets / 2), maxSockets - forRequests);
  return { maxSockets, maxStreams: Math.min(maxConnections, forStreams) };
}

/** The most descriptors that this process may have open; `undefined` where the system has no such limit. */
export function descriptorLimit(): number | undefined {
  // Node has no call for it; its diagnostic report reads it. Node has raised it to the hard limit.
  const report = process.report as typeof process.report & { excludeNetwork: boolean };
  const { excludeNetwork } = report;
  report.excludeNetwork = true; // or it would look up the names of all peers
  const { userLimits } = report.getReport() as {
    readonly userLimits?: { readonly open_files?: { readonly soft: number | "unlimited" } };
  };
  report.excludeNetwork = excludeNetwork;
  const limit = userLimits?.open_files?.soft;
  return typeof limit === "number" ? limit : undefined;
}
