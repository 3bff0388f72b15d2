/** dts-push beside Express or whatever else answers on a server of node:http: it gets what is under /push. */
import { once } from "node:events";
import { createServer } from "node:http";
import { dtsPush, fastifyOptions } from "dts-push";
import Fastify from "fastify";

const application = (_request, response) => response.end("The application's own page"); // such as express()
const server = createServer((request, response) =>
  request.url.startsWith("/push/")
    ? push.routing(request, response)
    : application(request, response),
);
// With the server it also takes the handshakes of WebSockets under its prefix.
const push = Fastify({ ...fastifyOptions, serverFactory: () => server });
await push.register(dtsPush, {
  prefix: "/push",
  endpoint: process.env.ENDPOINT ?? "http://localhost:8080",
  authenticate: (_request, token) =>
    token === "secret-of-ada"
      ? { caller: "ada", grants: ["operations:read", "operations:start"] }
      : undefined,
});
await push.ready();
server.listen(Number(process.env.PORT ?? 3000));
await once(server, "listening");
console.log(`http://localhost:${server.address().port}`);
process.once("SIGTERM", async () => {
  await push.close();
  server.close();
});
