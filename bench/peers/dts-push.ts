/** Ours, with everything on: an operation of a scheduler changes, and a hint says so as workers send it. */
import { Api } from "../support/api.ts";
import type { BenchOptions } from "../support/report.ts";
import type { Schedule } from "../support/schedule.ts";
import { TimedScheduler } from "../support/timed-scheduler.ts";
import type { Peer } from "./peer.ts";

/** All clients have one address and one caller. */
const SETTINGS = {
  MAX_CONNECTIONS_PER_CALLER: 20_000,
  MAX_SUBSCRIPTIONS_PER_CALLER: 20_000,
  MAX_EVENT_LOOP_DELAY_MS: 0,
};
const PATHS = { sse: "/api/operations/op-0/events", ws: "/api/ws?operation_id=op-0" };

export class DtsPush implements Peer {
  readonly #api: Api;
  readonly #scheduler: TimedScheduler;
  readonly #isProfiled: boolean;
  readonly clients: Peer["clients"];

  static async start(transport: "sse" | "ws", options: BenchOptions): Promise<DtsPush> {
    const scheduler = await TimedScheduler.start(1);
    await scheduler.create({ prefix: "op", count: 1 });
    const api = await Api.start(scheduler.address, SETTINGS, options);
    const clients = { port: api.port, transport, paths: [PATHS[transport]] };
    return new DtsPush(api, scheduler, clients, options.profileTo !== undefined);
  }

  private constructor(
    api: Api,
    scheduler: TimedScheduler,
    clients: Peer["clients"],
    isProfiled: boolean,
  ) {
    this.#api = api;
    this.#scheduler = scheduler;
    this.clients = clients;
    this.#isProfiled = isProfiled;
  }

  usage = () => this.#api.child.usage();
  collectGarbage = () => this.#api.child.collectGarbage();

  async publish(schedule: Schedule): Promise<number> {
    const hintUrl = `http://127.0.0.1:${this.#api.port}`;
    const change = () => this.#scheduler.changeOnSchedule({ ...schedule, id: "op-0", hintUrl });
    if (!this.#isProfiled) return change();
    const name = `fanout-${this.clients.transport}-${Math.round(schedule.perSecond)}-a-second`;
    let firstDueAtMs = 0;
    await this.#api.cost(name, async () => {
      firstDueAtMs = await change();
    });
    return firstDueAtMs;
  }

  stop = () => Promise.all([this.#api.stop(), this.#scheduler.stop()]);
}
