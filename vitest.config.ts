import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** The processes that tests start compile the same modules, so the first one does it for all. */
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(
  new URL("node_modules/.cache/compile", import.meta.url),
);

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/helpers/contract/provide-documents.ts"],
    setupFiles: ["test/helpers/contract/check-answers.ts"],
    execArgv: ["--disable-warning=ExperimentalWarning"],
    // Half of the time tests wait for sockets, timers and processes, so three files at a time on two cores.
    maxWorkers: 3,
    // Waits have deadlines of their own (helpers/deadline.ts); these only end what has none.
    testTimeout: 240_000,
    hookTimeout: 240_000,
  },
});
