import { isIP, isIPv4 } from "node:net";
import type { FastifyRequest } from "fastify";
import { withoutPort } from "./trusted-proxies.ts";

/** Groups of an IPv6 address that name a network; within it one client may use any address. */
const NETWORK_GROUPS = 4;

/**
 * The address that quotas and fairness count a client by: that of its connection, or the one that a
 * trusted proxy forwards. Of IPv6 it is the network, `2001:db8:0:1::/64`, because a client has all
 * addresses of one.
 */
export function callerAddress({ ip, socket }: Pick<FastifyRequest, "ip" | "socket">): string {
  if (isIPv4(ip)) return ip;
  const forwarded = withoutPort(ip ?? "");
  // What is no address may be anything that a client has sent.
  const address = isIP(forwarded) ? forwarded : socket.remoteAddress;
  return address === undefined ? "unknown" : networkOf(address);
}

function networkOf(address: string): string {
  const [, mapped] = /^::ffff:(\d+(?:\.\d+){3})$/i.exec(address) ?? [];
  if (mapped) return mapped;
  if (isIPv4(address)) return address;
  const [head = "", tail] = address.replace(/%.*$/, "").toLowerCase().split("::");
  const groups = head.split(":").filter(Boolean);
  const last = tail?.split(":").filter(Boolean) ?? [];
  // "::" stands for as many zeros as eight groups need.
  const network = Array.from({ length: NETWORK_GROUPS }, (_, at) => {
    const group = groups[at] ?? last[at - 8 + last.length] ?? "0";
    return group.replace(/^0+(?=.)/, "");
  });
  return network.every((group) => group === "0") ? address : `${network.join(":")}::/64`;
}
