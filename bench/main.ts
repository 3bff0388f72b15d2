/** Runs one bench by name: `npm run bench -- scheduler`. A new bench is one line here. */
const BENCHES: Record<string, () => Promise<{ run(): Promise<void> }>> = {
  scheduler: () => import("./scheduler.ts"),
};

const name = process.argv[2] ?? "";
const bench = BENCHES[name];
if (!bench) {
  console.error(`Which bench? One of: ${Object.keys(BENCHES).join(", ")}`);
  process.exitCode = 1;
} else {
  await (await bench()).run();
}
