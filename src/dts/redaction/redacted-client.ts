import type { SchedulerClient } from "../client.ts";
import type { Redaction } from "./redaction.ts";

/** The same client, in whose answers values are masked. */
export function redactedClient(client: SchedulerClient, redaction: Redaction): SchedulerClient {
  return {
    ...client,
    async getInstance(id) {
      const found = await client.getInstance(id);
      return found && redaction.instance(found);
    },
    async queryInstances(query, signal) {
      const page = await client.queryInstances(query, signal);
      return { ...page, instances: page.instances.map((each) => redaction.instance(each)) };
    },
    async *readHistory(id, signal) {
      for await (const chunk of client.readHistory(id, signal)) {
        yield chunk.map((entry) => redaction.entry(entry));
      }
    },
    async waitForCompletion(id, signal) {
      const found = await client.waitForCompletion(id, signal);
      return found && redaction.instance(found);
    },
  };
}
