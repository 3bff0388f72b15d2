import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/helpers/contract/provide-documents.ts"],
    setupFiles: ["test/helpers/contract/check-answers.ts"],
    execArgv: ["--disable-warning=ExperimentalWarning"],
    // Tests mostly wait for sockets and processes, so two files at a time also on two cores.
    maxWorkers: 2,
    // Waits have deadlines of their own (helpers/deadline.ts); these only end what has none.
    testTimeout: 240_000,
    hookTimeout: 240_000,
  },
});
