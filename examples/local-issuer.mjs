/** An OpenID Connect issuer for trying out access tokens on one machine: it gives a token to every request, and so stands
 * in for Entra ID where there is none. Not for production.
 *
 *   node examples/local-issuer.mjs [port]        (9000)
 *   curl "localhost:9000/token?sub=alice&roles=operations:read&roles=streams:token&expires_in=600" */

import { createServer } from "node:http";
import { exportJWK, generateKeyPair, SignJWT } from "jose";

const port = Number(process.argv[2] ?? 9000);
const issuer = `http://localhost:${port}`;
const audience = "api://dts-push";
const kid = "local";

const { privateKey, publicKey } = await generateKeyPair("ES256");
const keys = [{ ...(await exportJWK(publicKey)), kid, alg: "ES256", use: "sig" }];

/** What a query asks for, as Entra ID would write it: app roles in `roles`. */
function sign(query) {
  const lifetimeS = Number(query.get("expires_in") ?? 3600);
  return new SignJWT({ roles: query.getAll("roles") })
    .setProtectedHeader({ alg: "ES256", kid, typ: "JWT" })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject(query.get("sub") ?? "alice")
    .setIssuedAt()
    .setExpirationTime(`${lifetimeS} s`)
    .sign(privateKey);
}

const server = createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, issuer);
  const send = (body, type = "application/json") => {
    response.writeHead(200, { "content-type": type }).end(body);
  };
  if (pathname === "/token") send(await sign(searchParams), "text/plain");
  else if (pathname === "/keys") send(JSON.stringify({ keys }));
  else if (pathname === "/.well-known/openid-configuration") {
    send(JSON.stringify({ issuer, jwks_uri: `${issuer}/keys` }));
  } else response.writeHead(404).end();
});

server.listen(port, "127.0.0.1", () => {
  console.log(`export JWT_ISSUER=${issuer} JWT_AUDIENCE=${audience}`);
});
