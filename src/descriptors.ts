/** Descriptors for everything that is no client: files, the scheduler's connections, Node itself. */
const RESERVED = 64;
/** Of the sockets, the share that streams leave to other requests. */
const REQUESTS_SHARE = 0.1;
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
  const forStreams = Math.floor(maxSockets * (1 - REQUESTS_SHARE));
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
