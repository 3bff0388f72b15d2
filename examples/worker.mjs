// A worker of one's own: `node examples/worker.mjs`, beside `npm start`. It starts one order, too.
import { NoOpLogger, TaskHubGrpcClient, TaskHubGrpcWorker } from "@microsoft/durabletask-js";

const hostAddress = process.env.SCHEDULER ?? "localhost:8080"; // the embedded scheduler
const logger = new NoOpLogger();

const worker = new TaskHubGrpcWorker({ hostAddress, logger, workItemFilters: "auto" });
worker.addNamedActivity("pack", async (_context, item) => {
  await new Promise((resolve) => setTimeout(resolve, 1000));
  return `${item} packed`;
});
worker.addNamedOrchestrator("ship_order", async function* (context, items) {
  const packed = [];
  for (const [index, item] of items.entries()) {
    packed.push(yield context.callActivity("pack", item));
    const percent = Math.round((100 * (index + 1)) / items.length);
    context.setCustomStatus({ percent, message: `${index + 1} of ${items.length} items packed` });
  }
  return packed;
});
await worker.start();

const client = new TaskHubGrpcClient({ hostAddress, logger });
console.log(await client.scheduleNewOrchestration("ship_order", ["lamp", "chair", "desk"]));
