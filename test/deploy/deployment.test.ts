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

test("hints reach the replicas of the compose file under the names that they answer to", () => {
  const { services } = parse(read("compose.yaml"), { merge: true });
  const { HINT_URL } = services.worker.environment;
  const { HINT_PEERS, ALLOWED_HOSTS } = services["api-1"].environment;
  for (const url of [HINT_URL, ...HINT_PEERS.split(",")]) {
    expect(services).toHaveProperty([new URL(url).hostname]);
  }
  expect(ALLOWED_HOSTS.split(",")).toContain(new URL(HINT_URL).hostname);
});

test("every deployment gives a process more time to end than it takes", () => {
  const graceS = SETTINGS.GRACE_MS.default / 1000;
  const { services } = parse(read("compose.yaml"), { merge: true });
  const pod = parseAllDocuments(read("deploy/kubernetes/dts-push.yaml"))
    .map((each) => each.toJS())
    .find(({ kind }) => kind === "Deployment").spec.template.spec;
  const preStopS = pod.containers[0].lifecycle.preStop.sleep.seconds;
  const all = {
    "compose, api": Number.parseInt(services["api-1"].stop_grace_period, 10),
    "compose, worker": Number.parseInt(services.worker.stop_grace_period, 10),
    kubernetes: pod.terminationGracePeriodSeconds - preStopS,
  } as Record<string, number>;
  for (const path of globSync("{deploy/systemd/*.service,infra/modules/{api,worker}.bicep}", {
    cwd: ROOT,
  })) {
    const found = /(?:TimeoutStopSec=|terminationGracePeriodSeconds: )(\d+)/.exec(read(path));
    all[path] = Number(found?.[1]);
  }
  expect(Object.keys(all)).toHaveLength(7);
  for (const [name, seconds] of Object.entries(all)) expect(seconds, name).toBeGreaterThan(graceS);
});

test("streams end by themselves before Azure's ingress ends them, and HAProxy waits for heartbeats and long-polls", () => {
  const [, maxAgeMs] =
    /'STREAM_MAX_AGE_MS', value: '(\d+)'/.exec(read("infra/modules/api.bicep")) ?? [];
  expect(Number(maxAgeMs) * 1.2).toBeLessThan(240_000);
  const longestWaitS = 60;
  for (const kind of ["client", "server", "tunnel"]) {
    const [, seconds] =
      new RegExp(`timeout ${kind} (\\d+)s`).exec(read("deploy/compose/haproxy.cfg")) ?? [];
    expect(Number(seconds), kind).toBeGreaterThan(longestWaitS);
  }
});

test("both deployments of images build the API and the worker, from stages that exist", () => {
  const { services } = parse(read("compose.yaml"), { merge: true });
  expect(services["api-1"].build).toBe(".");
  expect(services["api-2"].image).toBe(services["api-1"].image);
  expect(services.worker.build.args).toEqual({ ROLE: "worker" });
  expect(parse(read("azure.yaml")).services.worker.docker.buildArgs).toEqual(["ROLE=worker"]);
  const dockerfile = read("Dockerfile");
  expect(dockerfile).toMatch(/^ARG ROLE=api$[\s\S]*^FROM \$\{ROLE\}$/m);
  for (const role of ["api", "worker"]) {
    expect(dockerfile).toMatch(
      new RegExp(`^FROM base AS ${role}$[\\s\\S]*?^CMD \\["${role}"\\]$`, "m"),
    );
  }
});

test("templates for Azure pass each module the parameters that it declares, and azd gives what has no default", () => {
  const declared = (text: string) =>
    [...text.matchAll(/^param (\w+) [^=\n]+(=)?/gm)].map(([, name, preset]) => ({ name, preset }));
  const required = (text: string) =>
    declared(text)
      .filter(({ preset }) => !preset)
      .map(({ name }) => name as string);
  const main = read("infra/main.bicep");
  const modules = [
    ...main.matchAll(/^module \w+ '(.+?)'[\s\S]*? {2}params: \{([\s\S]*?)\n {2}\}\n\}/gm),
  ];
  expect(modules).toHaveLength(5);
  for (const [, path, passed] of modules) {
    const names = [...(passed as string).matchAll(/^ {4}(\w+):/gm)].map(([, name]) => name);
    expect(names.toSorted(), path).toEqual(required(read(`infra/${path}`)).toSorted());
  }
  const { parameters } = JSON.parse(read("infra/main.parameters.json"));
  expect(Object.keys(parameters)).toEqual(expect.arrayContaining(required(main)));
  expect(declared(main).map(({ name }) => name)).toEqual(
    expect.arrayContaining(Object.keys(parameters)),
  );
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
      expect(action).toMatch(/@[0-9a-f]{40}$|^\.\/\.github\/workflows\//);
    expect(parse(text)).toHaveProperty("permissions.contents", "read");
  }
});
