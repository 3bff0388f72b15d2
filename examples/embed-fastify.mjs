/** dts-push in a Fastify application: its routes are under /push, and the application says who calls. */
import { dtsPush, fastifyOptions } from "dts-push";
import Fastify from "fastify";

const app = Fastify(fastifyOptions);
app.get("/", async () => "The application's own page");
await app.register(dtsPush, {
  prefix: "/push",
  endpoint: process.env.ENDPOINT ?? "http://localhost:8080",
  // The application's own session or token; a caller that it does not know gets 401.
  authenticate: (_request, token) =>
    token === "secret-of-ada"
      ? { caller: "ada", grants: ["operations:read", "operations:start"] }
      : undefined,
});
console.log(await app.listen({ port: Number(process.env.PORT ?? 3000) }));
process.once("SIGTERM", () => app.close());
