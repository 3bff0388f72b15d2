/**
 * Loaded into every process of a bench before its own program (`--import`): answers, over the
 * process's IPC channel, what it costs. It does nothing until it is asked.
 */
import { writeFile } from "node:fs/promises";
import { Session } from "node:inspector/promises";
import { getHeapSpaceStatistics } from "node:v8";

/** What a process has used so far, and holds now. */
export interface Usage {
  /** User and system time of all its threads, in milliseconds. */
  readonly cpuMs: number;
  readonly rssBytes: number;
  readonly heapUsedBytes: number;
  /** Memory outside the heap that its objects hold; buffers are a part of it. */
  readonly externalBytes: number;
  /** Memory of the young generation: it grows with what is allocated at a time, and stays. */
  readonly youngBytes: number;
}

const session = new Session();

const answers: Record<string, (argument: string) => Promise<unknown> | unknown> = {
  "probe:usage": usage,
  "probe:gc": () => {
    // Twice: what the first collection finalises, the second one frees.
    global.gc?.();
    global.gc?.();
    return global.gc !== undefined;
  },
  "probe:profile": async () => {
    session.connect();
    await session.post("Profiler.enable");
    await session.post("Profiler.start");
  },
  "probe:profile-end": async (file) => {
    const { profile } = await session.post("Profiler.stop");
    session.disconnect();
    await writeFile(file, JSON.stringify(profile));
  },
  "probe:sample-heap": async () => {
    session.connect();
    await session.post("HeapProfiler.enable");
    await session.post("HeapProfiler.startSampling", { samplingInterval: 8192 });
  },
  "probe:sample-heap-end": async (file) => {
    const { profile } = await session.post("HeapProfiler.stopSampling");
    session.disconnect();
    await writeFile(file, JSON.stringify(profile));
  },
};

process.on("message", async ({ id, command, argument }: Request) => {
  const answer = answers[command];
  if (answer) process.send?.({ id, result: await answer(argument as string) });
});

interface Request {
  readonly id: number;
  readonly command: string;
  readonly argument: unknown;
}

function usage(): Usage {
  const { user, system } = process.cpuUsage();
  const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space");
  const { rss, heapUsed, external } = process.memoryUsage();
  return {
    cpuMs: (user + system) / 1000,
    rssBytes: rss,
    heapUsedBytes: heapUsed,
    externalBytes: external,
    youngBytes: young?.physical_space_size ?? Number.NaN,
  };
}
