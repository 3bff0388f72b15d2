import {
  createContext,
  createElement,
  type ReactNode,
  useContext,
  useSyncExternalStore,
} from "react";
import {
  type Client,
  type ConnectionState,
  createClient,
  type OperationDocument,
  type OperationFilter,
  type Step,
} from "./client.ts";
import { Store } from "./store.ts";

/** What every hook returns beside its data. */
export interface Live {
  /** How up to date the data is. */
  readonly state: ConnectionState;
  /** What ended it: a `ProblemError`, such as `operation-not-found`. Data that was received stays. */
  readonly error: unknown;
}

export interface LiveOperation<Custom = unknown, Result = unknown> extends Live {
  readonly operation: OperationDocument<Custom, Result> | undefined;
}
export interface LiveOperations extends Live {
  /** Newest first. */
  readonly operations: readonly OperationDocument[];
}
export interface LiveSteps extends LiveOperation {
  /** From the first one, in order. */
  readonly steps: readonly Step[];
}

/** As many as a feed carries. */
const MOST_OPERATIONS = 1000;
const CONNECTING: ConnectionState = { kind: "connecting" };
const NOTHING: LiveOperation & LiveOperations & LiveSteps = {
  operation: undefined,
  operations: [],
  steps: [],
  state: CONNECTING,
  error: undefined,
};

const Context = createContext<Client | undefined>(undefined);
let defaultClient: Client | undefined;

/** Gives the hooks below it a client. Without one they use the server at the page's own origin. */
export function DtsPushProvider(props: { readonly client: Client; readonly children?: ReactNode }) {
  return createElement(Context.Provider, { value: props.client }, props.children);
}

/** The states of an operation. With `undefined` it waits for an id. */
export function useOperation<Custom = unknown, Result = unknown>(
  id: string | undefined,
): LiveOperation<Custom, Result> {
  return useLive(
    id === undefined ? undefined : `operation ${id}`,
    async (client, change, options) => {
      for await (const operation of client.watch(id as string, options)) {
        change(() => ({ operation }));
      }
    },
  ) as LiveOperation<Custom, Result>;
}

/** The operations of the task hub, as they come and change. */
export function useOperations(filter: OperationFilter = {}): LiveOperations {
  const key = `operations ${JSON.stringify(filter)}`;
  return useLive(key, async (client, change, options) => {
    const byId = new Map<string, OperationDocument>();
    for await (const item of client.watchFeed(filter, options)) {
      if (item.type === "operation") byId.set(item.operation.operation_id, item.operation);
      else if (item.type === "removed") byId.delete(item.operation_id);
      else if (item.type === "reset") byId.clear();
      change(() => ({ operations: newestOf(byId) }));
    }
  });
}

/** The durable history of an operation as it grows, beside its state. With `undefined` it waits for an id. */
export function useSteps(id: string | undefined): LiveSteps {
  return useLive(id === undefined ? undefined : `steps ${id}`, async (client, change, options) => {
    let steps: Step[] = [];
    let operation: OperationDocument | undefined;
    for await (const item of client.watchSteps(id as string, options)) {
      if (item.type === "operation") operation = item.operation;
      else if (item.type === "reset") steps = [];
      else steps.push(item.step);
      change(() => ({ operation, steps: [...steps] }));
    }
  });
}

type Snapshot = typeof NOTHING;
type Watch = (
  client: Client,
  change: (part: () => Partial<Snapshot>) => void,
  options: { signal: AbortSignal; onState: (state: ConnectionState) => void },
) => Promise<void>;

/** Stores that are in use, so that components which show the same share one subscription. */
const stores = new WeakMap<Client, Map<string, Store<Snapshot>>>();
const unsubscribe = () => {};
const idle = { subscribe: () => unsubscribe, snapshot: () => NOTHING };

function useLive(key: string | undefined, watch: Watch): Snapshot {
  const given = useContext(Context);
  const { subscribe, snapshot } = key === undefined ? idle : storeOf(given, key, watch);
  // On a server nothing is watched: it renders what a browser shows first.
  return useSyncExternalStore(subscribe, snapshot, idle.snapshot);
}

function storeOf(
  given: Client | undefined,
  key: string,
  watch: Watch,
): Store<Snapshot> | typeof idle {
  if (!("document" in globalThis)) return idle;
  if (!given) defaultClient ??= createClient();
  const client = given ?? (defaultClient as Client);
  const ofClient = stores.get(client) ?? new Map<string, Store<Snapshot>>();
  stores.set(client, ofClient);
  let store = ofClient.get(key);
  if (!store) {
    const made: Store<Snapshot> = new Store<Snapshot>(
      NOTHING,
      (set, signal) => watching(client, watch, set, signal),
      () => {
        if (ofClient.get(key) === made) ofClient.delete(key);
      },
    );
    ofClient.set(key, made);
    store = made;
  }
  return store;
}

async function watching(
  client: Client,
  watch: Watch,
  set: (next: () => Snapshot) => void,
  signal: AbortSignal,
) {
  let data: () => Partial<Snapshot> = () => ({});
  let live: Live = { state: CONNECTING, error: undefined };
  const change = () => set(() => ({ ...NOTHING, ...data(), ...live }));
  const onState = (state: ConnectionState) => {
    live = { ...live, state };
    change();
  };
  try {
    await watch(
      client,
      (next) => {
        data = next;
        change();
      },
      { signal, onState },
    );
  } catch (error) {
    live = { ...live, error };
    change();
  }
}

/** The newest first. Those that no longer are among a feed's operations are forgotten. */
function newestOf(byId: Map<string, OperationDocument>): OperationDocument[] {
  const sorted = [...byId.values()].sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
  for (const { operation_id } of sorted.splice(MOST_OPERATIONS)) byId.delete(operation_id);
  return sorted;
}
