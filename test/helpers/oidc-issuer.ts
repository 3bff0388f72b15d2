import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import type { IssuerOptions } from "../../src/api/credentials/credential-settings.ts";

interface SigningKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

/** What a token says beside what every token says. */
export interface TokenOptions {
  readonly claims?: Record<string, unknown>;
  /** Seconds from now to its end. Default: an hour. */
  readonly expiresInS?: number;
  readonly header?: Record<string, unknown>;
  /** Signs with a key of its own, under the `kid` of the present one. */
  readonly forged?: boolean;
}

/** An OpenID Connect issuer on a port of this machine: discovery, keys, and tokens on demand. */
export class OidcIssuer {
  readonly audience = "api://dts-push";
  /** How it answers: as it should, not at all, or as another issuer would. */
  mode: "up" | "down" | "foreign" = "up";
  /** Requests for its keys so far. */
  keyRequests = 0;
  readonly #server = createServer(({ url = "" }, response) => this.#answer(url, response));
  #keys: SigningKey[] = [];
  #count = 0;

  static async start(port = 0): Promise<OidcIssuer> {
    const issuer = new OidcIssuer();
    await issuer.rotate();
    await new Promise<void>((resolve) => issuer.#server.listen(port, "127.0.0.1", resolve));
    return issuer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** What a server is configured with that accepts its tokens. */
  get options(): IssuerOptions {
    return { issuer: this.url, audiences: [this.audience], jwksUrl: undefined };
  }

  /** Signs with a new key from now on. @param forget whether its former keys are withdrawn */
  async rotate({ forget = false } = {}): Promise<void> {
    const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
    this.#count += 1;
    const kid = `key-${this.#count}`;
    const jwk = { ...(await exportJWK(publicKey)), kid, alg: "ES256", use: "sig" };
    this.#keys = [{ kid, privateKey, jwk }, ...(forget ? [] : this.#keys)];
  }

  /** An access token with these permissions, as `roles`. */
  async token(scopes: readonly string[], options: TokenOptions = {}): Promise<string> {
    const { claims = {}, expiresInS = 3600, header = {}, forged = false } = options;
    const { kid, privateKey } = this.#keys[0] as SigningKey;
    const nowS = Math.floor(Date.now() / 1000);
    const payload = {
      iss: this.url,
      aud: this.audience,
      sub: "alice",
      iat: nowS,
      nbf: nowS,
      exp: nowS + expiresInS,
      roles: scopes,
      ...claims,
    };
    const key = forged ? (await generateKeyPair("ES256")).privateKey : privateKey;
    return new SignJWT(payload)
      .setProtectedHeader({ alg: "ES256", kid, typ: "JWT", ...header })
      .sign(key);
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #answer(url: string, response: ServerResponse): void {
    if (this.mode === "down") {
      response.destroy();
      return;
    }
    const isDiscovery = url === "/.well-known/openid-configuration";
    if (!isDiscovery) this.keyRequests += 1;
    const issuer = this.mode === "foreign" ? "https://other.example" : this.url;
    const body = isDiscovery
      ? { issuer, jwks_uri: `${this.url}/keys` }
      : { keys: this.#keys.map(({ jwk }) => jwk) };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(body));
  }
}
