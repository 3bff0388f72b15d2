import type { FastifyPluginAsync } from "fastify";
import { SampleOffError } from "../../problems.ts";
import { GET_SAMPLE, START_SAMPLE } from "../descriptions/sample.ts";
import { type StartOperationOptions, startOperationRoute } from "./start-operation.ts";

export interface SampleOptions extends StartOperationOptions {
  /** Whether this server starts the sample's operations. */
  readonly sample: boolean;
}

/** What belongs to the sample alone; a server that only shows the operations of others has none of it. */
export const sampleRoutes: FastifyPluginAsync<SampleOptions> = async (
  app,
  { sample, ...options },
) => {
  // The page shows its form by this.
  app.get("/api/sample", { config: { scope: "public", docs: GET_SAMPLE } }, async () => ({
    enabled: sample,
  }));
  if (sample) {
    await app.register(startOperationRoute, options);
  } else {
    const refuse = async () => {
      throw new SampleOffError();
    };
    app.post(
      "/api/start-operation",
      { config: { scope: "operations:start", docs: START_SAMPLE }, onRequest: refuse },
      refuse,
    );
  }
};
