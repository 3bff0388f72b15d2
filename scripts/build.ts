/** Builds the package: JavaScript, types and source maps in dist/. The repository itself runs unbuilt. */

import { execFileSync } from "node:child_process";
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const DIST = "dist";

rmSync(DIST, { recursive: true, force: true });
execFileSync("tsc", ["-p", "tsconfig.build.json"], { stdio: "inherit" });
for (const name of readdirSync(DIST, { encoding: "utf8", recursive: true })) {
  if (name.endsWith(".d.ts")) rewriteImports(join(DIST, name));
}
chmodSync(join(DIST, "src/main.js"), 0o755);

/** tsc rewrites the extensions of imports in JavaScript, and not in types. */
function rewriteImports(file: string): void {
  const text = readFileSync(file, "utf8");
  writeFileSync(file, text.replaceAll(/((?:from|import\()\s*"\.{1,2}\/[^"]+)\.ts"/g, '$1.js"'));
}
