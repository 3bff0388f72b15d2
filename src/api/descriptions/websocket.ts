import { empty, type RouteDocs } from "../docs/route-docs.ts";

export const OPEN_WEBSOCKET: RouteDocs = {
  operationId: "openWebSocket",
  tag: "streams",
  summary: "A WebSocket for operations, steps and feeds",
  description:
    "Subprotocol `dts-push.v1`. [asyncapi.json](./asyncapi.json) describes the messages in both " +
    "directions. Operations in the query are subscribed at once, under the names `1`, `2`, …",
  answers: { 101: empty("The connection is a WebSocket now.") },
  problems: ["upgrade-required", "origin-not-allowed"],
};
