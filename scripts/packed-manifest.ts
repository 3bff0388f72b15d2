/**
 * Before npm packs the package: builds it, and gives it a manifest of its own until it is packed, without
 * `node`. In the repository that brings Node 24 to machines with an older one; in an application it would
 * take the place of the application's own.
 */

import { readFileSync, renameSync, writeFileSync } from "node:fs";

const MANIFEST = "package.json";
const SAVED = "dist/repository-package.json";

if (process.argv[2] === "restore") renameSync(SAVED, MANIFEST);
else {
  await import("./build.ts");
  const text = readFileSync(MANIFEST, "utf8");
  const { devDependencies, allowScripts, scripts, ...manifest } = JSON.parse(text);
  if (!devDependencies) throw new Error("Packing was interrupted: git checkout package.json first");
  writeFileSync(SAVED, text);
  delete manifest.dependencies.node;
  writeFileSync(MANIFEST, `${JSON.stringify(manifest, null, 2)}\n`);
}
