import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { readConfig } from "../../src/config.ts";
import { SETTINGS } from "../../src/settings.ts";
import { installDebianPackage } from "../helpers/debian.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const read = (path: string) => readFileSync(`${ROOT}${path}`, "utf8");

/** The variables that a Kubernetes manifest, a compose file or a template sets for dts-push. */
function variables(path: string): string[] {
  const text = read(path);
  const inYaml = text.matchAll(/^\s+([A-Z][A-Z0-9_]+): /gm);
  const inBicep = text.matchAll(/name: '([A-Z][A-Z0-9_]+)'/g);
  const inUnits = text.matchAll(/^Environment=([A-Z][A-Z0-9_]+)=/gm);
  return [...inYaml, ...inBicep, ...inUnits].map(([, name]) => name as string);
}

test.each([
  "compose.yaml",
  "deploy/kubernetes/dts-push.yaml",
  "deploy/systemd/dts-push-scheduler.service",
  "infra/modules/api.bicep",
  "infra/modules/worker.bicep",
])("%s sets only variables that exist", (path) => {
  const names = variables(path);
  expect(names).not.toEqual([]);
  expect(names.filter((name) => !(name in SETTINGS))).toEqual([]);
});

test("the settings of the compose file and of the manifest are valid", () => {
  const { services } = parse(read("compose.yaml"), { merge: true });
  for (const name of ["api-1", "api-2", "worker"]) {
    expect(() => readConfig(services[name].environment), name).not.toThrow();
  }
  const documents = parseAllDocuments(read("deploy/kubernetes/dts-push.yaml"));
  const config = documents.map((each) => each.toJS()).find(({ kind }) => kind === "ConfigMap");
  const filledIn = Object.entries<string>(config.data).map(([name, value]) => [
    name,
    value.replaceAll(/<[^>]+>/g, "a"),
  ]);
  expect(() => readConfig(Object.fromEntries(filledIn))).not.toThrow();
});

test("the Kubernetes manifests have the fields of their kinds, and no others", () => {
  const modules: Record<string, string> = {
    Deployment: "apps/v1",
    PodDisruptionBudget: "policy/v1",
  };
  const lines = parseAllDocuments(read("deploy/kubernetes/dts-push.yaml")).map((each, index) => {
    const { kind, ...fields } = each.toJS();
    const type = `import("kubernetes-types/${modules[kind] ?? "core/v1"}").${kind}`;
    return `export const m${index} = ${JSON.stringify({ kind, ...fields })} satisfies ${type};`;
  });
  const folder = mkdtempSync(`${ROOT}.manifests-`);
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(`${folder}/manifests.ts`, lines.join("\n"));
  const options = ["--noEmit", "--strict", "--ignoreConfig", "--skipLibCheck"];
  const modes = ["--module", "esnext", "--moduleResolution", "bundler"];
  const tsc = `${ROOT}node_modules/typescript/bin/tsc`;
  execFileSync(process.execPath, [tsc, ...options, ...modes, `${folder}/manifests.ts`]);
});

test("HAProxy accepts the configuration of the compose file", () => {
  installDebianPackage("haproxy", "/usr/sbin/haproxy");
  execFileSync("/usr/sbin/haproxy", ["-c", "-f", `${ROOT}deploy/compose/haproxy.cfg`], {
    stdio: "pipe",
  });
});

test("the image holds every file that the server reads", () => {
  const copies = read("Dockerfile").matchAll(/^COPY (?!--)(.+) \S+$/gm);
  const copied = new Set([...copies].flatMap(([, from]) => (from as string).split(" ")));
  const sent = read(".dockerignore")
    .split("\n")
    .flatMap((line) => (line.startsWith("!") ? line.slice(1) : []));
  expect(copied).toEqual(new Set(sent));
  expect(readdirSync(ROOT)).toEqual(expect.arrayContaining([...copied]));
});
