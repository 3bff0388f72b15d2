/** The programs of a soak, each a process of its own, as users run them. */
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createKey } from "../../helpers/api-key.ts";
import { installDebianPackage } from "../../helpers/debian.ts";
import type { Random } from "../random.ts";
import { Member } from "./member.ts";
import { Relay } from "./relay.ts";
import { WallClock } from "./wall-clock.ts";

const MAIN = fileURLToPath(new URL("../../../src/main.ts", import.meta.url));
const FOREIGN_WORKER = fileURLToPath(new URL("./foreign-worker.ts", import.meta.url));
const HAPROXY = "/usr/sbin/haproxy";
/** Below the ports that systems give to connections, so that one stays free while its process is restarted. */
const FIRST_PORT = 15_000;
const LAST_PORT = 31_000;

export interface SystemOptions {
  /** For its files. */
  readonly folder: string;
  /** Where the scheduler's file is. */
  readonly database: string;
  /** Limits that go by time are off: other programs may keep the machine busy. */
  readonly isShared: boolean;
}

/**
 * Clients → `edge` → HAProxy → two replicas of the API → `apiLink` → the embedded scheduler on a file ←
 * `workerLink` ← the sample's worker and a foreign one. The three relays belong to the driver.
 */
export class System {
  readonly scheduler: Member;
  readonly replicas: readonly [Member, Member];
  readonly worker: Member;
  readonly foreignWorker: Member;
  readonly proxy: Member;
  readonly edge: Relay;
  readonly apiLink: Relay;
  readonly workerLink: Relay;
  /** Of a caller who may do everything. */
  readonly key: string;
  /** The replicas themselves, past the proxy. */
  readonly replicaUrls: readonly [URL, URL];

  static async start(options: SystemOptions, random: Random): Promise<System> {
    installDebianPackage("haproxy", HAPROXY);
    const ports: number[] = [];
    while (ports.length < 4) {
      const port = await stablePort(random);
      if (!ports.includes(port)) ports.push(port);
    }
    const [schedulerPort, proxyPort, first, second] = ports as [number, number, number, number];
    const system = new System(options, {
      scheduler: schedulerPort,
      proxy: proxyPort,
      replicas: [first, second],
      edge: await Relay.start(proxyPort),
      apiLink: await Relay.start(schedulerPort),
      workerLink: await Relay.start(schedulerPort),
    });
    await system.scheduler.start();
    await Promise.all(system.replicas.map((each) => each.start()));
    await Promise.all([system.worker, system.foreignWorker, system.proxy].map((m) => m.start()));
    return system;
  }

  private constructor({ folder, database, isShared }: SystemOptions, parts: Parts) {
    const { edge, apiLink, workerLink } = parts;
    this.edge = edge;
    this.apiLink = apiLink;
    this.workerLink = workerLink;
    const { key, line } = createKey(
      "soak",
      "operations:read",
      "operations:start",
      "operations:control",
      "streams:token",
      "hints:send",
    );
    this.key = key;
    mkdirSync(folder, { recursive: true });
    const keys = join(folder, "keys.jsonl");
    writeFileSync(keys, `${line}\n`);
    const urls = parts.replicas.map((port) => new URL(`http://127.0.0.1:${port}`));
    this.replicaUrls = urls as unknown as readonly [URL, URL];
    const secret = randomBytes(32).toString("hex");
    const apiEnv = {
      ENDPOINT: `http://127.0.0.1:${apiLink.port}`,
      API_KEYS_FILE: keys,
      STREAM_TOKEN_SECRET: secret,
      TRUST_PROXY: "loopback",
      HINT_PEERS: urls.map(({ origin }) => origin).join(","),
      HINT_TOKEN: key,
      STREAM_MAX_AGE_MS: "30000", // many rotations
      DRAIN_DELAY_MS: "1000", // HAProxy checks four times a second
      GRACE_MS: "5000",
      // All clients have one address and one key.
      MAX_AUTH_FAILURES_PER_MINUTE: "0",
      MAX_COMMANDS_PER_MINUTE_PER_CALLER: "0",
      ...(isShared && { MAX_EVENT_LOOP_DELAY_MS: "0" }),
    };
    const clockOf = (name: string) => WallClock.create(join(folder, `clock of ${name}`));
    const replica = (index: 0 | 1) =>
      new Member({
        name: `api-${index + 1}`,
        command: [MAIN, "api"],
        env: { ...apiEnv, PORT: String(parts.replicas[index]) },
        clock: clockOf(`api-${index + 1}`),
        ready: /ready: open/,
        unexpected: /^{"level":[56]0/,
      });
    this.replicas = [replica(0), replica(1)];
    this.scheduler = new Member({
      name: "scheduler",
      command: [MAIN, "scheduler"],
      clock: clockOf("scheduler"),
      env: { SCHEDULER_PORT: String(parts.scheduler), SCHEDULER_DB: database },
      ready: /scheduler listens/,
    });
    this.worker = new Member({
      name: "worker",
      command: [MAIN, "worker"],
      clock: clockOf("worker"),
      env: {
        ENDPOINT: `http://127.0.0.1:${workerLink.port}`,
        HINT_URL: `http://127.0.0.1:${parts.proxy}`,
        HINT_TOKEN: key,
      },
      ready: /worker connected/,
    });
    this.foreignWorker = new Member({
      name: "foreign worker",
      command: [FOREIGN_WORKER, `127.0.0.1:${workerLink.port}`],
      clock: clockOf("foreign worker"),
      ready: /working/,
    });
    const config = join(folder, "haproxy.cfg");
    writeFileSync(config, haproxyConfig(parts.proxy, parts.replicas));
    this.proxy = new Member({ name: "haproxy", command: [HAPROXY, "-db", "-f", config] });
  }

  get url(): URL {
    return new URL(`http://127.0.0.1:${this.edge.port}`);
  }

  get members(): readonly Member[] {
    return [this.scheduler, ...this.replicas, this.worker, this.foreignWorker, this.proxy];
  }

  /** Whether both replicas take clients, which they do not while the scheduler does not answer. */
  async isReady(): Promise<boolean> {
    const probes = this.replicaUrls.map((url) =>
      fetch(new URL("/readyz", url)).then(
        async (response) => {
          await response.arrayBuffer();
          return response.ok;
        },
        () => false,
      ),
    );
    return (await Promise.all(probes)).every(Boolean);
  }

  /** Ends all in order: clients of the scheduler before it. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    await Promise.all([this.worker, this.foreignWorker].map((each) => each.end(signal)));
    await Promise.all(this.replicas.map((each) => each.end(signal)));
    await this.scheduler.end(signal);
    await this.proxy.end("SIGKILL");
    await Promise.all([this.edge, this.apiLink, this.workerLink].map((each) => each.close()));
  }
}

interface Parts {
  readonly scheduler: number;
  readonly proxy: number;
  readonly replicas: readonly [number, number];
  readonly edge: Relay;
  readonly apiLink: Relay;
  readonly workerLink: Relay;
}

async function stablePort(random: Random): Promise<number> {
  for (;;) {
    const port = random.integer(FIRST_PORT, LAST_PORT);
    const server = createServer();
    const { promise, resolve } = Promise.withResolvers<boolean>();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => resolve(true));
    if (!(await promise)) continue;
    await new Promise((done) => server.close(done));
    return port;
  }
}

function haproxyConfig(port: number, replicas: readonly [number, number]): string {
  return `defaults
  mode http
  option forwardfor
  timeout connect 5s
  timeout client 75s
  timeout server 75s
  timeout tunnel 75s
  retries 3
  option redispatch
listen api
  bind 127.0.0.1:${port}
  balance leastconn
  option httpchk GET /readyz
  default-server check inter 250ms fall 2 rise 1
${replicas.map((each, index) => `  server api-${index + 1} 127.0.0.1:${each}`).join("\n")}
`;
}
