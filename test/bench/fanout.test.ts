import { expect, test } from "vitest";
import { Nchan } from "../../bench/peers/nchan.ts";
import { runBench } from "./support/run-bench.ts";

test("fanout measures every server that is installed, and says what it measured on", async () => {
  const { printed, figures } = await runBench("fanout", "--quick");
  const nchan = Nchan.version() === undefined ? [] : ["nchan-sse", "nchan-ws"];
  const peers = [
    "dts-push-sse",
    "dts-push-ws",
    "node-http",
    "better-sse",
    "ws",
    "socket.io",
    ...nchan,
  ];
  for (const peer of peers) {
    expect(figures[`${peer}, 50 subscribers, idle`]).toHaveProperty("kib_per_connection");
    const { cpu_us, p99_ms, arrived } = figures[`${peer}, 50 subscribers, 10 a second`] ?? {};
    expect({ peer, cpu_us, p99_ms, arrived }).toEqual({
      peer,
      cpu_us: expect.any(Number),
      p99_ms: expect.any(Number),
      arrived: expect.any(Number),
    });
  }
  if (nchan.length === 0) {
    expect(printed).toContain(
      "nginx with Nchan is not installed: apt-get install nginx libnginx-mod-nchan",
    );
  }
  expect(figures).toMatchObject({
    cpus: expect.any(Number),
    os: expect.any(String),
    versions: expect.arrayContaining([expect.stringMatching(/^socket\.io \d/)]),
  });
});
