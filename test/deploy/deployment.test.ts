import { execFileSync } from "node:child_process";
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

test("the image holds every folder that the server reads", () => {
  const sources = globSync("src/**/*.ts", { cwd: ROOT }).map(read).join("\n");
  // As `new URL("public", PACKAGE_ROOT)`, or up to a folder from `import.meta.url`.
  const folders = [
    ...sources.matchAll(/new URL\("(\w+)\/?", PACKAGE_ROOT\)/g),
    ...sources.matchAll(/new URL\("(?:\.\.\/)+(\w+)\/?", import\.meta\.url\)/g),
  ];
  const needed = ["src", "package.json", ...folders.map(([, name]) => name as string)];
  expect(needed).toContain("public");
  const copies = read("Dockerfile").matchAll(/^COPY (?!--)(.+) \S+$/gm);
  const copied = new Set([...copies].flatMap(([, from]) => (from as string).split(" ")));
  const sent = read(".dockerignore").matchAll(/^!(.+)$/gm);
  expect([...copied]).toEqual(expect.arrayContaining(needed));
  expect(new Set([...sent].map(([, name]) => name))).toEqual(copied);
  expect(readdirSync(ROOT)).toEqual(expect.arrayContaining([...copied]));
});

test("workflows run scripts that exist, and actions pinned by commit", () => {
  const { scripts } = JSON.parse(read("package.json"));
  for (const name of readdirSync(`${ROOT}.github/workflows`)) {
    const text = read(`.github/workflows/${name}`);
    for (const [, script] of text.matchAll(/npm run ([\w:-]+)/g))
      expect(scripts).toHaveProperty([script as string]);
    for (const [, action] of text.matchAll(/uses: (\S+)/g))
      expect(action).toMatch(/@[0-9a-f]{40}$/);
    expect(parse(text)).toHaveProperty("permissions.contents", "read");
  }
});
