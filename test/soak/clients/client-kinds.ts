import { type Client, createClient } from "../../../client/client.ts";
import type { Transport } from "../../../client/transports/link.ts";
import { followOverEventSource } from "./bare-event-source.ts";
import { type BareOptions, followOverSse, stall } from "./bare-sse.ts";
import { followOverWebSocket } from "./bare-ws.ts";
import type { View } from "./view.ts";

/** Returns a new stream token. */
export type Credential = () => Promise<string>;

/** A way to follow operations. */
export interface ClientKind {
  readonly name: string;
  /** How many it follows at a time. */
  readonly operations: number;
  /**
   * Follows them until a connection of a bare client, or the visit, ends.
   * @returns whether the server said that nothing more will come
   * @throws whatever ended it sooner
   */
  follow(views: readonly [View, ...View[]], options: BareOptions): Promise<boolean>;
}

const TRANSPORTS: readonly (Transport | "auto")[] = ["websocket", "sse", "long-poll", "auto"];

const clientOf = ({ url, credential }: BareOptions, transport: Transport | "auto"): Client =>
  createClient({ url, token: credential, transport, share: false });

/** Bare clients, and the client of this project by each transport and for each source. */
export const CLIENT_KINDS: readonly ClientKind[] = [
  { name: "bare sse", operations: 1, follow: ([view], options) => followOverSse(view, options) },
  {
    name: "EventSource",
    operations: 1,
    follow: ([view], options) => followOverEventSource(view, options),
  },
  {
    name: "bare websocket",
    operations: 1,
    follow: ([view], options) => followOverWebSocket(view, options),
  },
  ...TRANSPORTS.flatMap((transport): ClientKind[] => [
    {
      name: `client, status, ${transport}`,
      operations: 1,
      async follow([view], options) {
        const { signal } = options;
        const after = view.cursor;
        const states = clientOf(options, transport).watch(view.operation.id, { after, signal });
        for await (const state of states) {
          view.take(state);
          await stall(options);
        }
        return true;
      },
    },
    {
      name: `client, steps, ${transport}`,
      operations: 1,
      async follow([view], options) {
        const { signal } = options;
        const after = view.cursor;
        const items = clientOf(options, transport).watchSteps(view.operation.id, { after, signal });
        for await (const item of items) {
          if (item.type === "operation") view.take(item.operation);
          else if (item.type === "step") view.takeStep(item.step);
          else view.takeReset(item.reason);
          view.cursor = item.cursor;
          await stall(options);
        }
        return true;
      },
    },
  ]),
  {
    name: "client, many",
    operations: 3,
    async follow(views, options) {
      const { signal } = options;
      const entries = views.flatMap(({ operation, cursor }) =>
        cursor === undefined ? [] : [[operation.id, cursor]],
      );
      const byId = new Map(views.map((view) => [view.operation.id, view]));
      const states = clientOf(options, "auto").watchMany([...byId.keys()], {
        cursors: Object.fromEntries(entries),
        signal,
      });
      for await (const state of states) {
        byId.get(state.operation_id)?.take(state);
        await stall(options);
      }
      return true;
    },
  },
];
