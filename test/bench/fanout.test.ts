import { expect, test } from "vitest";
import { Nchan } from "../../bench/peers/nchan.ts";
import { runBench } from "./support/run-bench.ts";

// The others are of the same programs, over the other transport.
const PEERS = ["dts-push-sse", "better-sse", "ws", "socket.io", "nchan-sse"];

test("fanout measures each server that is installed, and states machine and versions", async () => {
  const { printed, figures } = await runBench("fanout", "--quick", "--only", PEERS.join(","));
  const hasNchan = Nchan.version() !== undefined;
  for (const peer of PEERS.filter((name) => hasNchan || !name.startsWith("nchan"))) {
    const cell = `${peer}, 50 subscribers`;
    expect(figures[`${cell}, idle`], cell).toHaveProperty("kib_per_connection");
    const { cpu_us, p99_ms, arrived } = figures[`${cell}, 10 a second`] ?? {};
    expect([cpu_us, p99_ms, arrived].every(Number.isFinite), cell).toBe(true);
    expect(arrived, cell).toBeGreaterThan(0);
  }
  if (!hasNchan) {
    expect(printed).toContain(
      "nginx with Nchan is not installed: apt-get install nginx libnginx-mod-nchan",
    );
  }
  expect(figures).toMatchObject({ cpu: expect.any(String), os: expect.any(String) });
  expect(figures.versions).toContainEqual(expect.stringMatching(/^socket\.io \d/));
});
