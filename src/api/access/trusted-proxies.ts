import proxyAddr from "@fastify/proxy-addr";

/**
 * Whether what an address says of the one before it is believed. `hop` counts the addresses between
 * it and this server: 0 is the peer of the connection.
 */
export type TrustedProxies = (address: string, hop: number) => boolean;

const MAX_HOPS = 10;

/**
 * Reads TRUST_PROXY.
 *   - A number of proxies trusts that many addresses, whichever they are. It is for proxies whose addresses
 *     are not known, and only right where no client can reach this server except through them.
 *   - A list of addresses and ranges trusts those and no others.
 * There is no value that trusts everybody: the client would choose its own address. Fastify's own
 * numbers trust no proxy since 5.12.1, so the hops are counted here.
 * @returns `undefined` where no proxy is trusted
 * @throws Error that names the entry
 */
export function parseTrustedProxies(text: string): TrustedProxies | undefined {
  const entries = text.split(",").map((entry) => entry.trim());
  const [first] = entries;
  if (!first && entries.length === 1) return undefined;
  if (entries.length === 1 && /^\d+$/.test(text)) return byCount(Number(text));
  for (const entry of entries) checkEntry(entry);
  const isTrusted = proxyAddr.compile(entries);
  return (address, hop) => isTrusted(withoutPort(address), hop);
}

/** An address as proxies forward it: Azure Application Gateway, for one, adds the client's port. */
export function withoutPort(address: string): string {
  const [, ipv6, ipv4] = /^\[([^\]]+)\](?::\d+)?$|^(\d+(?:\.\d+){3}):\d+$/.exec(address) ?? [];
  return ipv6 ?? ipv4 ?? address;
}

function byCount(count: number): TrustedProxies | undefined {
  if (count > MAX_HOPS) throw new Error(`"${count}" is more than ${MAX_HOPS} proxies`);
  return count === 0 ? undefined : (_address, hop) => hop < count;
}

function checkEntry(entry: string): void {
  if (/\/0+(?:\.0+)*$/.test(entry)) {
    throw new Error(`"${entry}" trusts every client to name its own address`);
  }
  // A bare number would be one of the older notations of an IPv4 address.
  if (/^\d*$/.test(entry) || !canCompile(entry)) {
    throw new Error(
      `"${entry}" is not an address or a range such as 10.0.0.0/8, nor a number of proxies by itself`,
    );
  }
}

function canCompile(entry: string): boolean {
  try {
    proxyAddr.compile(entry);
    return true;
  } catch {
    return false;
  }
}
