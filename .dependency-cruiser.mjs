/**
 * The direction of imports, checked by `npm run lint`: main → cli → start → api → streaming → dts, worker → dts. Nothing but
 * start-up, tests and benches imports the embedded scheduler, and it imports none of the others. The command's
 * client part uses the client alone.
 */
const FILES = {
  access: "^src/access[.]ts$",
  problems: "^src/problems[.]ts$",
  sample: "^src/sample[.]ts$",
};

/** A room and the only other places in src that it may import. */
const mayImport = (room, ...others) => ({
  name: `${room} → ${others.length > 0 ? others.join(", ") : "nothing else in src"}`,
  severity: "error",
  from: { path: `^src/${room}/` },
  to: {
    path: "^src/",
    pathNot: [room, ...others].map((name) => FILES[name] ?? `^src/${name}/`),
  },
});

/** The rooms of streaming, each of which may import those before it. */
const STREAMING = ["operation", "reading", "watching", "list", "feed", "steps", "delivery"];
const streamingRooms = STREAMING.map((room, index) => ({
  name: `streaming/${room} → ${STREAMING.slice(0, index).join(", ") || "no other room"}`,
  severity: "error",
  from: { path: `^src/streaming/${room}/` },
  to: {
    path: "^src/streaming/",
    pathNot: [
      "^src/streaming/metrics[.]ts$",
      // Feeds and steps do not know of each other.
      ...STREAMING.slice(0, index + 1)
        .filter((other) => !(room === "steps" && other === "feed"))
        .map((other) => `^src/streaming/${other}/`),
    ],
  },
}));

/** The rooms of the embedded scheduler, each of which may import those before it and the files beside them. */
const SCHEDULER = ["protocol", "storage", "dispatch", "engine", "grpc"];
const schedulerRooms = SCHEDULER.map((room, index) => ({
  name: `scheduler/${room} → ${SCHEDULER.slice(0, index).join(", ") || "no other room"}`,
  severity: "error",
  from: { path: `^src/scheduler/${room}/` },
  to: {
    path: "^src/scheduler/",
    pathNot: [
      "^src/scheduler/(clock|scheduler-logger|start-error)[.]ts$",
      ...SCHEDULER.slice(0, index + 1).map((other) => `^src/scheduler/${other}/`),
    ],
  },
}));

/** @type {import("dependency-cruiser").IConfiguration} */
export default {
  forbidden: [
    mayImport("api", "streaming", "dts", "access", "problems", "sample"),
    mayImport("streaming", "dts", "access", "problems"),
    ...streamingRooms,
    mayImport("worker", "dts", "sample"),
    mayImport("observability"),
    mayImport("dts"),
    mayImport("scheduler"),
    ...schedulerRooms,
    {
      name: "only start.ts imports the scheduler",
      severity: "error",
      from: { path: "^src/", pathNot: ["^src/scheduler/", "^src/start[.]ts$"] },
      to: { path: "^src/scheduler/" },
    },
    {
      name: "commands to a server import nothing of the server",
      severity: "error",
      from: { path: "^src/cli/(commands|terminal|conformance)/" },
      to: { path: "^src/", pathNot: "^src/cli/(commands|terminal|conformance)/" },
    },
    {
      name: "nothing imports the command",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/(cli/|main[.]ts$)" },
      to: { path: "^src/(cli/|main[.]ts$)" },
    },
    {
      name: "OpenTelemetry's SDK is loaded only where it is used",
      severity: "error",
      from: { path: "^src/" },
      to: {
        path: "^src/observability/tracing[.]ts$",
        dynamic: false,
        dependencyTypesNot: ["type-only"],
      },
    },
    {
      name: "src imports nothing that serves its development",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^(test|bench|scripts|examples|public)/", dependencyTypesNot: ["npm"] },
    },
    {
      name: "only the command uses the client",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/cli/(commands|terminal|conformance)/" },
      to: { path: "^client/" },
    },
    {
      name: "the client imports nothing of the repository",
      severity: "error",
      from: { path: "^client/" },
      to: { path: "^(src|test|bench|scripts|examples|public)/" },
    },
    {
      name: "the client needs no package, and its hooks React",
      severity: "error",
      from: { path: "^client/" },
      to: { pathNot: "^client/|^node_modules/(@types/)?react/" },
    },
    {
      name: "only the hooks need React",
      severity: "error",
      from: { path: "^client/", pathNot: "^client/react[.]ts$" },
      to: { pathNot: "^client/" },
    },
    {
      name: "no dependency that production does not install",
      severity: "error",
      from: { path: "^src/" },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "unknown"] },
    },
    {
      name: "no import that cannot be resolved",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    // TypeScript 7 has no API for tools; swc parses types too, so type-only imports count.
    parser: "swc",
    doNotFollow: { path: "node_modules" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node"] },
  },
};
