import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { onEnd } from "./lifetime.ts";

const FOLLOW = fileURLToPath(new URL("../../examples/follow.mjs", import.meta.url));

/** Runs examples/follow.mjs against `url` to its end, or to the test's. */
export async function runFollow(url: URL, ...options: string[]) {
  const child = spawn(process.execPath, [FOLLOW, "--url", url.href, ...options], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  onEnd(() => void child.kill());
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [code, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  return { code, stdout, stderr };
}
