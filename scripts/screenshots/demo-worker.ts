/** A worker whose orchestrations look like those of a shop: what the pictures of the page show. */

import {
  type OrchestrationContext,
  RetryPolicy,
  type TOrchestrator,
  whenAll,
} from "@microsoft/durabletask-js";
import type { Logger } from "pino";
import type { Connection } from "../../src/dts/connection/connection.ts";
import { type RunningWorker, startWorker } from "../../src/dts/worker.ts";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const work = (minMs: number, maxMs: number) => async (_context: unknown, item: string) => {
  await pause(minMs + Math.random() * (maxMs - minMs));
  return `${item}: done`;
};

/** Orders whose first attempt has failed. */
const charged = new Set<string>();
const activities = {
  reserve_stock: work(200, 500),
  pack_item: work(400, 1400),
  print_label: work(100, 300),
  charge_card: async (_context: unknown, order: string) => {
    await pause(250);
    if (order.endsWith("declined")) throw new Error("The card was declined by the issuing bank.");
    if (!charged.has(order)) {
      charged.add(order);
      throw new Error("The payment service is busy.");
    }
    return "authorised";
  },
};

const RETRIES = new RetryPolicy({
  maxNumberOfAttempts: 3,
  firstRetryIntervalInMilliseconds: 400,
  backoffCoefficient: 1.5,
});

const shipOrder: TOrchestrator = async function* (
  context: OrchestrationContext,
  { items, waits = false }: { items: string[]; waits?: boolean },
) {
  const report = (percent: number, message: string) =>
    context.setCustomStatus({ percent, message });
  report(5, "reserving stock");
  yield context.callActivity("reserve_stock", context.instanceId);
  report(20, "charging the card");
  yield context.callActivity("charge_card", context.instanceId, { retry: RETRIES });
  report(40, `packing ${items.length} items`);
  yield whenAll(items.map((item) => context.callActivity("pack_item", item)));
  report(70, "waiting for the courier");
  if (waits) yield context.waitForExternalEvent("courier_arrived");
  yield context.createTimer(new Date(context.currentUtcDateTime.getTime() + 700));
  report(85, "notifying the customer");
  yield context.callSubOrchestrator("notify_customer", context.instanceId, {
    instanceId: `${context.instanceId}-mail`,
  });
  return { parcel: "1Z999AA10123456784", items };
};

const notifyCustomer: TOrchestrator = async function* (context: OrchestrationContext, id: string) {
  yield context.callActivity("print_label", id);
  return "sent";
};

export function startDemoWorker(connection: Connection, logger: Logger): RunningWorker {
  const orchestrators = { ship_order: shipOrder, notify_customer: notifyCustomer };
  return startWorker(connection, { orchestrators, activities }, logger);
}
