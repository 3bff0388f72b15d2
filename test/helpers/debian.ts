import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";

/** Installs a Debian package where its program is missing and we may; elsewhere says how. */
export function installDebianPackage(name: string, program: string): void {
  if (existsSync(program)) return;
  const install = `apt-get update && apt-get install -y --no-install-recommends ${name}`;
  if (process.getuid?.() !== 0) {
    throw new Error(`This test needs ${program}: sudo sh -c '${install}'`);
  }
  execFileSync("sh", ["-c", install], {
    stdio: "ignore",
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
}
