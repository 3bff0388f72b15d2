import { CURSOR_EXAMPLE, EventId } from "../schemas/positions.ts";
import { STREAM_EVENTS } from "../schemas/stream-events.ts";
import type { Components, JsonSchema } from "./components.ts";

/**
 * How a stream of server-sent events is described: one event, by its name, with JSON in `data`.
 * @see https://spec.openapis.org/oas/v3.2.0.html#server-sent-event-streams
 */
export function streamItem(components: Components) {
  const event = {
    type: "object",
    description: "One server-sent event. `data` is JSON on one line",
    required: ["event", "data"],
    properties: {
      id: components.use(EventId),
      event: { type: "string" },
      data: { type: "string" },
      retry: { type: "integer", minimum: 0, description: "time to reconnect, in milliseconds" },
    },
    oneOf: Object.entries(STREAM_EVENTS).map(([name, schema]) => ({
      required: ["event"],
      properties: {
        event: { const: name },
        data: { contentMediaType: "application/json", contentSchema: components.use(schema) },
      },
    })),
  } satisfies JsonSchema;
  return {
    itemSchema: components.add("StreamEvent", event),
    examples: { stream: { serializedValue: EXAMPLE } },
  };
}

const EXAMPLE = `retry: 2213\n\n${[
  ...eventText("snapshot", CURSOR_EXAMPLE),
  ...eventText("heartbeat", CURSOR_EXAMPLE),
  ...eventText("bye", CURSOR_EXAMPLE),
].join("")}`;

function* eventText(name: keyof typeof STREAM_EVENTS, id: string): Generator<string> {
  const [example] = (STREAM_EVENTS[name] as { examples?: readonly unknown[] }).examples ?? [];
  yield `id: ${id}\nevent: ${name}\ndata: ${JSON.stringify(example)}\n\n`;
}
