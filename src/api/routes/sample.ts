import type { FastifyPluginAsync } from "fastify";
import { SampleOffError } from "../../problems.ts";
import { GET_SAMPLE, START_SAMPLE } from "../descriptions/start.ts";
import { startOperationRoute } from "./start/start-operation.ts";
import type { Start } from "./start/starter.ts";

export interface SampleOptions {
  readonly start: Start;
  /** Whether this server starts the sample's operations. */
  readonly sample: boolean;
}

/** What belongs to the sample alone; a server that only shows the operations of others has none of it. */
export const sampleRoutes: FastifyPluginAsync<SampleOptions> = async (app, { sample, start }) => {
  // The page shows its form by this.
  app.get("/api/sample", { config: { scope: "public", docs: GET_SAMPLE } }, async () => ({
    enabled: sample,
  }));
  if (sample) {
    await app.register(startOperationRoute, { start });
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
