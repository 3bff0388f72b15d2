import { readFile } from "node:fs/promises";
import { isIPv4, type Socket } from "node:net";

/** Linux lists every TCP connection here, with the bytes that its peer has not acknowledged. */
const TABLES = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
const SAMPLE_EVERY_MS = 1000;
/** `sl local:port remote:port state tx_queue:rx_queue …`, all in hexadecimal. */
const LINE = /^ *\d+: (\S+ \S+) \S+ ([0-9A-F]{8}):/gm;

/** By local and remote address, where there are any, as of the last sample. */
let unacknowledged: ReadonlyMap<string, number> = new Map();
let sampledAtMs = Number.NEGATIVE_INFINITY;

/**
 * Bytes that the kernel holds for a peer, up to a second or two ago; 0 where that is unknown.
 * Node sees the kernel take bytes only in steps of a third of its send buffer, which a slow peer may
 * need a minute for.
 */
export function unacknowledgedBytes(socket: Socket): number {
  const nowMs = performance.now();
  if (nowMs - sampledAtMs >= SAMPLE_EVERY_MS) {
    sampledAtMs = nowMs;
    void sample();
  }
  const { localAddress, localPort, remoteAddress, remotePort } = socket;
  const key = `${toHex(localAddress, localPort)} ${toHex(remoteAddress, remotePort)}`;
  return unacknowledged.get(key) ?? 0;
}

async function sample(): Promise<void> {
  const found = new Map<string, number>();
  for (const table of TABLES) {
    const text = await readFile(table, "latin1").catch(() => "");
    for (const [, key = "", bytes = ""] of text.matchAll(LINE)) {
      if (bytes !== "00000000") found.set(key, Number.parseInt(bytes, 16));
    }
  }
  unacknowledged = found;
}

/** An address as in these tables: IPv4, also where it is mapped into IPv6. Others are not found. */
function toHex(address = "", port = 0): string {
  const v4 = address.replace(/^::ffff:/, "");
  const bytes = isIPv4(v4) ? v4.split(".").reverse().map(Number) : [];
  const prefix = v4 === address ? "" : "0000000000000000FFFF0000";
  return `${prefix}${bytes.map((byte) => hex(byte, 2)).join("")}:${hex(port, 4)}`;
}

function hex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, "0");
}
