/** nginx with Nchan, as one process. Events come by HTTP, from a publisher on the core of the load. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../test/helpers/free-port.ts";
import { Child, obey } from "../support/child.ts";
import { onSchedule, type Schedule } from "../support/schedule.ts";
import { eventAt } from "./event.ts";
import type { Peer } from "./peer.ts";
import { Program } from "./program.ts";

const NGINX = "/usr/sbin/nginx";
const MODULE = "/usr/lib/nginx/modules/ngx_nchan_module.so";
const TEMP_PATHS = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

export class Nchan implements Peer {
  readonly #nginx: Program;
  readonly #publisher: Child;
  readonly #folder: string;
  readonly clients: Peer["clients"];

  /** Of both, from Debian's packages; `undefined` where they are not installed. */
  static version(): string | undefined {
    if (!existsSync(NGINX) || !existsSync(MODULE)) return undefined;
    const nginx = spawnSync(NGINX, ["-v"], { encoding: "utf8" }).stderr.trim().split("/")[1];
    const query = ["--show", "libnginx-mod-nchan"];
    const [name, nchan] = spawnSync("dpkg-query", query, { encoding: "utf8" })
      .stdout.trim()
      .split("\t");
    return `nginx ${nginx}, ${name} ${nchan}`;
  }

  static async start(transport: "sse" | "ws"): Promise<Nchan> {
    const folder = await mkdtemp(join(tmpdir(), "bench-nchan-"));
    const port = await freePort();
    const file = join(folder, "nginx.conf");
    await writeFile(file, config(folder, port));
    const nginx = await Program.start([NGINX, "-p", folder, "-c", file, "-e", "stderr"], port);
    return new Nchan(nginx, Child.start("peers/nchan.ts", { core: 1 }), folder, transport);
  }

  private constructor(nginx: Program, publisher: Child, folder: string, transport: "sse" | "ws") {
    this.#nginx = nginx;
    this.#publisher = publisher;
    this.#folder = folder;
    this.clients = { port: nginx.port, transport, paths: ["/events"] };
  }

  usage = () => this.#nginx.usage();
  collectGarbage = async () => undefined;
  publish = (schedule: Schedule) =>
    this.#publisher.ask<number>("publish", { ...schedule, port: this.#nginx.port });

  async stop(): Promise<void> {
    await Promise.all([this.#nginx.stop(), this.#publisher.stop()]);
    await rm(this.#folder, { recursive: true });
  }
}

function config(folder: string, port: number): string {
  return `load_module ${MODULE};
daemon off;
master_process off;
pid ${folder}/nginx.pid;
events { worker_connections 16384; }
http {
  access_log off;
${TEMP_PATHS.map((path) => `  ${path}_temp_path ${folder}/${path};`).join("\n")}
  server {
    listen 127.0.0.1:${port};
    location = /events {
      nchan_subscriber eventsource websocket;
      nchan_channel_id bench;
      nchan_subscriber_first_message newest;
    }
    location = /publish {
      nchan_publisher;
      nchan_channel_id bench;
      nchan_message_buffer_length 100;
    }
  }
}
`;
}

/** Does not wait for an answer before the next event, up to so many at a time. */
const agent = new Agent({ keepAlive: true, maxSockets: 4 });

async function publish({ port, ...schedule }: Schedule & { port: number }): Promise<number> {
  const sent: Promise<void>[] = [];
  const beganAtMs = await onSchedule(schedule, (dueAtMs) => {
    sent.push(post(port, JSON.stringify(eventAt(dueAtMs))));
  });
  await Promise.all(sent);
  return beganAtMs;
}

function post(port: number, body: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const headers = {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "x-eventsource-event": "update",
  };
  const url = `http://127.0.0.1:${port}/publish`;
  const sending = request(url, { method: "POST", agent, headers }, (response) => {
    response.resume();
    response.once("end", () => {
      const { statusCode = 0 } = response;
      if (statusCode < 300) resolve();
      else reject(new Error(`Nchan answers ${statusCode}`));
    });
  });
  sending.once("error", reject);
  sending.end(body);
  return promise;
}

if (process.argv[1] === import.meta.filename) obey({ publish });
