import { SUBPROTOCOL } from "../../streaming/delivery/ws/ws-protocol.ts";
import { WEBSOCKET_PATH } from "../http/upgrade.ts";
import { EventId } from "../schemas/positions.ts";
import { STREAM_EVENTS } from "../schemas/stream-events.ts";
import { CLIENT_MESSAGES, SERVER_MESSAGES } from "../schemas/ws-messages.ts";
import type {
  AsyncApiDocument,
  AsyncApiMessage,
  AsyncApiOperation,
  Reference,
} from "./asyncapi-types.ts";
import { Components, type JsonSchema } from "./components.ts";
import { LICENSE, SECURITY_SCHEMES, TITLE, VERSION } from "./info.ts";

const DESCRIPTION = `
What dts-push sends as an operation changes: server-sent events, and the messages of the WebSocket
subprotocol \`${SUBPROTOCOL}\` in both directions. [openapi.json](./openapi.json) describes the requests.
Ignore keys, events and messages that you do not know.
`.trim();

const { bearer, streamToken } = SECURITY_SCHEMES;

/** The headers of an event: the fields of a server-sent event beside its data. */
function eventFields(components: Components): JsonSchema {
  return components.add("EventFields", {
    type: "object",
    required: ["event"],
    properties: {
      event: { type: "string", description: "the name of the event" },
      id: components.use(EventId),
      retry: { type: "integer", minimum: 0, description: "time to reconnect, in milliseconds" },
    },
  });
}

/**
 * Describes what is sent on streams and over the WebSocket.
 * @param prefix of the paths, such as `/push`; empty for none
 */
export function asyncApiDocument(prefix: string): AsyncApiDocument {
  const components = new Components();
  const fields = eventFields(components);
  const events = messagesOf(STREAM_EVENTS, components, fields);
  const sent = messagesOf(SERVER_MESSAGES, components);
  const received = messagesOf(CLIENT_MESSAGES, components);
  const channels = {
    operationEvents: {
      address: `${prefix}/api/operations/{id}/events`,
      title: "One operation, as server-sent events",
      description: "Its status and, with `detail=steps`, its history, until a `bye`.",
      parameters: { id: { description: "the id of the operation", examples: ["order-17"] } },
      messages: events.references,
      bindings: {},
    },
    events: {
      address: `${prefix}/api/events`,
      title: "Several operations or the feed, as server-sent events",
      description:
        "With `operation_id` up to 200 operations; without it those of the task hub, or those whose " +
        "ids begin with `prefix`.",
      messages: events.references,
      bindings: {},
    },
    socket: {
      address: prefix + WEBSOCKET_PATH,
      title: `WebSocket, subprotocol ${SUBPROTOCOL}`,
      description: "Up to 200 subscriptions on one connection. Text frames, each one JSON object.",
      messages: { ...sent.references, ...received.references },
      bindings: { ws: { method: "GET", bindingVersion: "0.1.0" } },
    },
  } satisfies AsyncApiDocument["channels"];
  type ChannelName = keyof typeof channels;
  const over = (
    channel: ChannelName,
    action: AsyncApiOperation["action"],
    title: string,
    summary: string,
    references: Readonly<Record<string, Reference>>,
  ): AsyncApiOperation => ({
    action,
    title,
    summary,
    channel: { $ref: `#/channels/${channel}` },
    security: [
      { $ref: "#/components/securitySchemes/bearer" },
      { $ref: "#/components/securitySchemes/streamToken" },
    ],
    messages: Object.keys(references).map((name) => ({
      $ref: `#/channels/${channel}/messages/${name}`,
    })),
  });
  return {
    asyncapi: "3.0.0",
    info: {
      title: TITLE,
      version: VERSION,
      description: DESCRIPTION,
      license: { name: LICENSE, url: `https://spdx.org/licenses/${LICENSE}.html` },
    },
    defaultContentType: "application/json",
    channels,
    operations: {
      sendOperationEvents: over(
        "operationEvents",
        "send",
        "Events of one operation",
        "Every change of one operation that a read sees",
        events.references,
      ),
      sendEvents: over(
        "events",
        "send",
        "Events of many operations",
        "Every change of several operations, or of the feed, that a read sees",
        events.references,
      ),
      sendMessages: over(
        "socket",
        "send",
        "Messages of the server",
        "What the server sends over a WebSocket",
        sent.references,
      ),
      receiveMessages: over(
        "socket",
        "receive",
        "Messages of a client",
        "What a client sends over a WebSocket",
        received.references,
      ),
    },
    components: {
      messages: { ...events.messages, ...sent.messages, ...received.messages },
      schemas: components.schemas,
      securitySchemes: { bearer, streamToken: { ...streamToken, type: "httpApiKey" } },
    },
  };
}

/** Messages as components, and references to them by name. */
function messagesOf(
  schemas: Readonly<Record<string, object>>,
  components: Components,
  headers?: JsonSchema,
) {
  const messages: Record<string, AsyncApiMessage> = {};
  const references: Record<string, Reference> = {};
  for (const [name, schema] of Object.entries(schemas)) {
    const { title, description, examples } = schema as {
      readonly title: string;
      readonly description: string;
      readonly examples: readonly unknown[];
    };
    messages[title] = {
      name,
      title,
      summary: description,
      ...(headers && { headers }),
      payload: components.use(schema),
      examples: examples.map((payload) => ({ name, payload })),
    };
    references[name] = { $ref: `#/components/messages/${title}` };
  }
  return { messages, references };
}
