import { Type } from "typebox";
import { json, type RouteDocs } from "../docs/route-docs.ts";

const Description = Type.Object({}, { examples: [{}] });

export const GET_OPENAPI: RouteDocs = {
  operationId: "getOpenApi",
  tag: "service",
  summary: "This description of the requests",
  answers: { 200: json(Description, "An OpenAPI 3.2 document.") },
};

export const GET_ASYNCAPI: RouteDocs = {
  operationId: "getAsyncApi",
  tag: "service",
  summary: "The description of events and messages",
  answers: {
    200: json(Description, "An AsyncAPI 3.0 document: the events of streams and the WebSocket."),
  },
};
