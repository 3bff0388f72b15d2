/**
 * A run of the whole system under load and faults. `seed` decides what clients do and which faults happen in which
 * order; how they meet is a matter of time, so that a replay repeats the plan and not each step.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { CLIENT_KINDS } from "./clients/client-kinds.ts";
import { Operations } from "./clients/operations.ts";
import { Patient } from "./clients/patient.ts";
import { Visitor } from "./clients/visitor.ts";
import { type Fault, faultsOf } from "./faults.ts";
import { Heap } from "./heap.ts";
import { Random } from "./random.ts";
import { StuckWatch } from "./stuck.ts";
import { Disk } from "./system/disk.ts";
import { System } from "./system/system.ts";

export interface SoakOptions {
  readonly seed: number;
  /** For how long faults happen. Start and end come on top. */
  readonly minutes: number;
  readonly clients: number;
  /** Whether other programs keep the machine busy: limits of the API that go by time are off then. */
  readonly isShared: boolean;
  /** Which faults happen, by name. */
  readonly faults: RegExp;
  readonly log: (line: string) => void;
}

export interface SoakReport {
  readonly seed: number;
  readonly seconds: number;
  readonly operations: number;
  /** Operations that clients followed to their end, each with all of its connections. */
  readonly followed: number;
  readonly connections: number;
  readonly documents: number;
  readonly steps: number;
  /** Connections that were cut in the middle of something. */
  readonly cuts: number;
  /** Tokens that expired while they were used, and were renewed. */
  readonly renewals: number;
  /** Requests that had to be repeated. */
  readonly retries: number;
  readonly faults: Readonly<Record<string, number>>;
  /** Faults that cannot happen on this machine, and why. */
  readonly skipped: readonly string[];
  /** MiB used by objects of each process of this project, after a collection of garbage. */
  readonly heap: readonly string[];
  /** Empty if the run has passed. */
  readonly problems: readonly string[];
}

const STUCK_AFTER_S = 180;
/** Mean length of a connection that is cut, in bytes. One in three is. */
const MEAN_CUT_BYTES = 6000;
/** Of a third of the clients, and of the others. */
const SHORT_TOKEN_S = 8;
const LONG_TOKEN_S = 900;
const MAX_PROBLEMS = 100;

export async function soak(options: SoakOptions): Promise<SoakReport> {
  const { seed, log } = options;
  const beganMs = performance.now();
  const random = new Random(seed);
  const folder = await mkdtemp(join(tmpdir(), "soak-"));
  const disk = await Disk.create(join(folder, "disk"), 64 + Math.ceil(20 * options.minutes));
  const database = join(disk.folder, "scheduler.db");
  const watch = new StuckWatch(STUCK_AFTER_S);
  const problems: string[] = [];
  const onRejection = (error: unknown) => problems.push(`the driver: unhandled ${error}`);
  process.on("unhandledRejection", onRejection);
  let system: System | undefined;
  try {
    const { isShared } = options;
    system = await System.start({ folder, database, isShared }, random.fork());
    const run = new Run(system, disk, options, watch, random);
    problems.push(...(await run.go()));
    await system.stop("SIGTERM");
    problems.push(...system.members.flatMap((each) => each.problems));
    const seconds = Math.round((performance.now() - beganMs) / 1000);
    return { seed, seconds, ...run.figures(), problems: problems.slice(0, MAX_PROBLEMS) };
  } finally {
    process.off("unhandledRejection", onRejection);
    watch.close();
    await system?.stop("SIGKILL");
    await disk.remove();
    await rm(folder, { recursive: true, force: true });
    log("all processes have ended");
  }
}

class Run {
  readonly #system: System;
  readonly #options: SoakOptions;
  readonly #watch: StuckWatch;
  readonly #random: Random;
  readonly #faults: readonly Fault[];
  readonly #patient: Patient;
  readonly #operations: Operations;
  readonly #visitors: readonly Visitor[];
  readonly #heap: Heap;
  readonly #happened: Record<string, number> = {};
  readonly #skipped: readonly string[];
  readonly #found: string[] = [];
  #starts = true;

  constructor(system: System, disk: Disk, options: SoakOptions, watch: StuckWatch, random: Random) {
    this.#system = system;
    this.#options = options;
    this.#watch = watch;
    this.#random = random.fork();
    this.#faults = faultsOf(system, disk).filter(({ name }) => options.faults.test(name));
    this.#skipped = this.#faults.flatMap(({ name, missing }) =>
      missing ? [`${name}: ${missing}`] : [],
    );
    if (this.#faults.length === this.#skipped.length) {
      throw new Error(`no fault matches ${options.faults}, or none of them can happen here`);
    }
    for (const each of this.#skipped) options.log(`left out: ${each}`);
    this.#heap = new Heap([...system.replicas, system.worker, system.scheduler]);
    this.#patient = new Patient(system.url, system.key, watch.signal);
    this.#operations = new Operations(this.#patient, random.fork());
    const choice = Math.max(10, Math.ceil(options.clients / 30));
    this.#visitors = Array.from({ length: options.clients }, (_, index) => {
      const ttlS = index % 3 === 0 ? SHORT_TOKEN_S : LONG_TOKEN_S;
      return new Visitor({
        url: system.url,
        kind: CLIENT_KINDS[index % CLIENT_KINDS.length] as (typeof CLIENT_KINDS)[number],
        credential: () => this.#patient.token(ttlS),
        operations: this.#operations,
        choice,
        random: random.fork(),
        signal: watch.signal,
        onProgress: watch.progress,
      });
    });
    const cuts = random.fork();
    system.edge.cutAfter(() =>
      cuts.chance(33)
        ? Math.ceil(-Math.log(1 - cuts.next()) * MEAN_CUT_BYTES)
        : Number.POSITIVE_INFINITY,
    );
  }

  /** @returns what was wrong */
  async go(): Promise<string[]> {
    try {
      await this.#parts();
    } catch (error) {
      if (!this.#watch.signal.aborted) throw error;
      this.#found.push(String(this.#watch.signal.reason));
      this.#found.push(...this.#visitors.flatMap(({ waitsFor }) => waitsFor).slice(0, 20));
    }
    return [
      ...this.#found,
      ...this.#patient.problems,
      ...this.#visitors.flatMap(({ problems }) => problems),
      ...this.#visitors.flatMap(({ name, finished }) =>
        finished.flatMap(({ problems }) => problems.map((each) => `${name}: ${each}`)),
      ),
    ];
  }

  async #parts(): Promise<void> {
    await this.#heap.start();
    const pauses = this.#random.fork();
    const lanes = Math.max(4, Math.ceil(this.#options.clients / 40));
    await this.#watch.within("first starts", this.#startEach(lanes));
    const starting = Array.from({ length: lanes }, () => this.#keepStarting(pauses));
    const visiting = this.#visitors.map((each) => each.run());
    await this.#watch.within("faults", this.#haveFaults());
    this.#starts = false;
    for (const each of this.#visitors) each.leave();
    this.#options.log("no more faults; clients follow what they follow to its end");
    await this.#watch.within("the last starts", Promise.all(starting));
    await this.#watch.within("clients to see the ends", Promise.all(visiting));
    const results = this.#operations.check(this.#watch.progress);
    this.#found.push(...(await this.#watch.within("results of all operations", results)));
    await this.#watch.within("histories", this.#checkSteps());
    this.#found.push(...(await this.#watch.within("heap", this.#heap.check())));
  }

  figures() {
    const views = this.#visitors.flatMap(({ finished }) => finished);
    const sum = (numbers: readonly number[]) => numbers.reduce((all, each) => all + each, 0);
    return {
      operations: this.#operations.all.length,
      followed: views.length,
      connections: sum(this.#visitors.map(({ connections }) => connections)),
      documents: sum(views.map(({ documents }) => documents)),
      steps: sum(views.map(({ steps }) => steps)),
      cuts: this.#system.edge.cuts,
      renewals: sum(this.#visitors.map(({ renewals }) => renewals)),
      retries: this.#patient.retries,
      faults: this.#happened,
      skipped: this.#skipped,
      heap: this.#heap.lines,
    };
  }

  async #startEach(count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, () => this.#operations.start()));
  }

  async #keepStarting(pauses: Random): Promise<void> {
    while (this.#starts && !this.#watch.signal.aborted) {
      await this.#operations.start().catch(() => undefined); // It was given up.
      await pause(pauses.integer(1000, 4000));
    }
  }

  /** Each kind once, in a drawn order, and again. The first replica runs through the second half, for its heap. */
  async #haveFaults(): Promise<void> {
    const { minutes, log } = this.#options;
    const beganMs = performance.now();
    const elapsed = () => (performance.now() - beganMs) / 60_000 / minutes;
    let deck: Fault[] = [];
    while (elapsed() < 1) {
      if (deck.length === 0) deck = this.#random.shuffled(this.#faults);
      const fault = deck.pop() as Fault;
      if (fault.missing) continue;
      if (elapsed() > 0.5 && fault.ends.includes(this.#system.replicas[0])) continue;
      log(`${String(Math.round(elapsed() * minutes * 60)).padStart(5)} s  ${fault.name}`);
      this.#watch.phase = `after: ${fault.name}`;
      await fault.happen(this.#random);
      while (!(await this.#system.isReady())) await pause(50);
      this.#happened[fault.name] = (this.#happened[fault.name] ?? 0) + 1;
      await pause(this.#random.integer(0, 2000));
      log(`         ${await this.#progressLine()}`);
    }
  }

  async #progressLine(): Promise<string> {
    const { operations, followed, connections, documents } = this.figures();
    const heap = await this.#heap.now();
    return `${operations} operations, ${followed} followed to their end, ${connections} connections, ${documents} documents, heap ${heap}`;
  }

  /** SOAK-3: as many as the history has. */
  async #checkSteps(): Promise<void> {
    const inHistory = new Map<string, number>();
    for (const { name, finished } of this.#visitors) {
      if (!name.includes("steps")) continue;
      for (const { operation, steps } of finished) {
        const { id } = operation;
        if (!inHistory.has(id)) inHistory.set(id, await this.#operations.stepsOf(id));
        const all = inHistory.get(id);
        if (steps !== all) this.#found.push(`${name}: ${id} ended after ${steps} of ${all} steps`);
        this.#watch.progress();
      }
    }
  }
}
