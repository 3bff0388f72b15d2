import { expect } from "vitest";
import { eventually } from "../../helpers/deadline.ts";

/** What a start is answered with. */
export interface Started {
  readonly operation_id: string;
  readonly status_url: string;
  readonly events_url: string;
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into whatever JSON the server sends.
export type Document = any;

/** Sends `body` as JSON: text as it is, anything else serialised. */
export function send(
  url: URL,
  body?: unknown,
  headers: Record<string, string> = {},
  method = "POST",
): Promise<Response> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return fetch(url, {
    method,
    headers: { ...(body !== undefined && { "content-type": "application/json" }), ...headers },
    body: text ?? null,
  });
}

/** Requests to one API. */
export function client({ url }: { readonly url: URL }) {
  const at = (path: string) => new URL(path, url);
  const start = (body: unknown, headers: Record<string, string> = {}) =>
    send(at("/api/operations"), body, headers);
  const read = async (id: string): Promise<Document> => {
    const response = await fetch(at(`/api/operations?operation_id=${encodeURIComponent(id)}`));
    return response.status === 200 ? response.json() : undefined;
  };
  return {
    at,
    start,
    read,
    /** Starts an operation, which must succeed. @returns its id */
    started: async (body: object): Promise<string> => {
      const response = await start(body);
      expect(response.status, await response.clone().text()).toBe(202);
      return ((await response.json()) as Started).operation_id;
    },
    /** Waits until the operation is in a status. @returns its document */
    reaches: (id: string, status: string): Promise<Document> =>
      eventually(`${id} in status ${status}`, async () => {
        const document = await read(id);
        return document?.status === status && document;
      }),
  };
}
