import type { TaskHubGrpcClient } from "@microsoft/durabletask-js";
import fc from "fast-check";
import { eventually, eventuallyWithProgress } from "../../helpers/deadline.ts";
import { StepsClient } from "./client.ts";
import { type Part, PlannedOperation } from "./operations.ts";

const CHANGES = [
  "go",
  "go",
  "go",
  "suspend",
  "resume",
  "terminate",
  "rewind",
  "restart",
  "purge",
] as const;

/** One thing that happens in a run. Numbers are taken modulo whatever there is to choose from. */
export type Move =
  | { readonly do: "start"; readonly operation: number; readonly parts: readonly Part[] }
  | { readonly do: "change"; readonly operation: number; readonly kind: number }
  | {
      readonly do: "follow";
      readonly operation: number;
      readonly socket: boolean;
      readonly payloads: boolean;
      readonly replica: number;
    }
  | {
      readonly do: "leave" | "stall" | "unstall" | "resume";
      readonly client: number;
      readonly replica: number;
    }
  | { readonly do: "moment"; readonly ms: number };

const any = fc.nat({ max: 1000 });
const bytes = fc.oneof(
  { weight: 8, arbitrary: fc.constant(10) },
  { weight: 1, arbitrary: fc.constant(20_000) },
);

const part: fc.Arbitrary<Part> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom("chain", "fan", "sub") as fc.Arbitrary<"chain" | "fan" | "sub">,
      count: fc.oneof(fc.nat({ max: 6 }), fc.nat({ max: 60 })),
      bytes,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom("timer", "wait", "wait", "again", "fail") as fc.Arbitrary<
        "timer" | "wait" | "again" | "fail"
      >,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("custom"), text: fc.constantFrom("a", "b") }),
  },
) as fc.Arbitrary<Part>;

const parts = fc.array(part, { maxLength: 7 });

/** The parts of the first incarnations of the operations of a run. */
export const firstParts = fc.tuple(parts, parts);

export const moves: fc.Arbitrary<Move[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant("start"), operation: any, parts }) },
    { weight: 10, arbitrary: fc.record({ do: fc.constant("change"), operation: any, kind: any }) },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant("follow"),
        operation: any,
        socket: fc.boolean(),
        payloads: fc.boolean(),
        replica: any,
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constantFrom("leave", "stall", "unstall", "resume", "resume"),
        client: any,
        replica: any,
      }),
    },
    { weight: 10, arbitrary: fc.record({ do: fc.constant("moment"), ms: fc.nat({ max: 50 }) }) },
  ) as fc.Arbitrary<Move>,
  { minLength: 10, maxLength: 70 },
);

const MAX_CLIENTS = 8;
/** Control calls, each answered by the scheduler, after which an operation must have ended. */
const MAX_ROUNDS = 400;
/** Status reads through a replica, one after the other, within which all clients must receive the end. */
const READS_TO_END = 2000;

/** What a run needs: a client of a scheduler that has a worker, and two APIs on that scheduler. */
export interface Stage {
  readonly client: TaskHubGrpcClient;
  readonly replicas: readonly [URL, URL];
}

let runs = 0;

/** Runs `script` until all operations and clients have ended. @throws with the timeline of a violation */
export async function play(
  stage: Stage,
  first: readonly (readonly Part[])[],
  script: readonly Move[],
): Promise<void> {
  runs += 1;
  const timeline: string[] = [];
  const startedMs = Date.now();
  const note = (what: string) =>
    void timeline.push(`${String(Date.now() - startedMs).padStart(6)} ms  ${what}`);
  const operations = first.map(
    (_, index) => new PlannedOperation(`r${runs}-${index}`, stage.client, stage.replicas[0], note),
  );
  const clients: StepsClient[] = [];
  try {
    for (const [index, operation] of operations.entries()) {
      await operation.start([{ do: "wait" }, ...(first[index] ?? []), { do: "again" }]);
    }
    for (const move of script) await perform(move, stage, operations, clients, note);
    await settle(operations, clients, note);
  } catch (error) {
    const faults = clients.flatMap((each) => each.faults);
    throw new Error([(error as Error).message, ...faults, "", ...timeline].join("\n"));
  } finally {
    for (const each of clients) each.disconnect();
    for (const { id } of operations)
      await stage.client.purgeOrchestration(id).catch(() => undefined);
  }
}

async function perform(
  move: Move,
  { replicas }: Stage,
  operations: readonly PlannedOperation[],
  clients: StepsClient[],
  note: (what: string) => void,
): Promise<void> {
  if (move.do === "moment") {
    const endMs = Date.now() + move.ms;
    await eventually("some time", () => Date.now() >= endMs);
  } else if ("operation" in move) {
    const operation = operations[move.operation % operations.length] as PlannedOperation;
    if (move.do === "start") await operation.start(move.parts);
    else if (move.do === "change") {
      await operation.change(CHANGES[move.kind % CHANGES.length] ?? "go");
    } else if (clients.length < MAX_CLIENTS) {
      const transport = move.socket ? "ws" : "sse";
      const number = clients.length;
      const client = new StepsClient(number, transport, operation, replicas, move.payloads, note);
      clients.push(client);
      client.connect(move.replica);
    }
  } else {
    const client = clients[move.client % Math.max(1, clients.length)];
    if (!client) return;
    if (move.do === "leave") client.disconnect();
    else if (move.do === "resume") client.connect(move.replica);
    else client.stall(move.do === "stall");
  }
  const [fault] = clients.flatMap((each) => each.faults);
  if (fault) throw new Error(fault);
}

/** Ends all operations. Every client, at either replica, must receive their whole histories. */
async function settle(
  operations: readonly PlannedOperation[],
  clients: readonly StepsClient[],
  note: (what: string) => void,
): Promise<void> {
  note("all operations are ended");
  for (const each of clients) each.stall(false);
  for (const operation of operations) {
    await operation.change("resume");
    for (let round = 1; !(await operation.isTerminal()); round += 1) {
      if (round > MAX_ROUNDS) throw new Error(`${operation.id} is active after ${round} rounds`);
      await operation.change(round % 20 === 0 ? "terminate" : "go");
    }
  }
  await allEnd(clients);
  // Some received a terminal state that was followed by a restart.
  note("all clients resume with their last ids");
  clients.forEach((each, index) => void each.connect(index));
  await allEnd(clients);
  await compare(operations, clients);
  note("all clients resume once more: nothing is left to send");
  clients.forEach((each, index) => void each.connect(index + 1));
  await allEnd(clients);
  for (const { name, transport, end, openedLate } of clients) {
    const isNothing = end === "204" || end === "404" || (end === "terminal" && openedLate);
    if (transport === "sse" && !isNothing) throw new Error(`${name} got ${end} instead of 204`);
  }
  await compare(operations, clients);
}

async function allEnd(clients: readonly StepsClient[]): Promise<void> {
  for (const each of clients) if (!each.isConnected && each.end === undefined) each.connect(0);
  let reads = 0;
  let isOver = false;
  const readOn = async () => {
    for (; !isOver; reads += 1) await clients[0]?.operation.status();
  };
  const reading = readOn();
  const hasEnded = () => clients.every((each) => each.end !== undefined || each.faults.length > 0);
  const progress = { count: () => reads, enough: READS_TO_END };
  try {
    await eventuallyWithProgress("all clients to receive the end", hasEnded, progress);
  } finally {
    isOver = true;
    await reading;
  }
  const [fault] = clients.flatMap((each) => each.faults);
  if (fault) throw new Error(fault);
}

/** The steps that clients received are the stored histories. */
async function compare(
  operations: readonly PlannedOperation[],
  clients: readonly StepsClient[],
): Promise<void> {
  for (const operation of operations) {
    const stored = await operation.history();
    for (const client of clients) {
      if (client.operation !== operation) continue;
      if (client.end === "gone" || client.end === "404") {
        if (stored.length > 0)
          throw new Error(`${client.name} got ${client.end} for an operation that exists`);
        continue;
      }
      if (JSON.stringify(client.steps) === JSON.stringify(stored)) continue;
      throw new Error(
        `STEPS-1: ${client.name} ended as ${client.end} with\n  ${client.steps.join("\n  ")}\nbut the scheduler has\n  ${stored.join("\n  ")}`,
      );
    }
  }
}
