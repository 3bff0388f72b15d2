import { Type } from "typebox";
import { json, type RouteDocs, text } from "../docs/route-docs.ts";

/** A document that has a specification of its own. */
const documentOf = (specification: "openapi" | "asyncapi", version: string) =>
  Type.Object(
    { [specification]: Type.String() },
    { additionalProperties: true, examples: [{ [specification]: version }] },
  );

export const GET_OPENAPI: RouteDocs = {
  operationId: "getOpenApi",
  tag: "service",
  summary: "This description of the requests",
  answers: { 200: json(documentOf("openapi", "3.2.0"), "An OpenAPI 3.2 document.") },
};

export const GET_ASYNCAPI: RouteDocs = {
  operationId: "getAsyncApi",
  tag: "service",
  summary: "The description of events and messages",
  answers: {
    200: json(
      documentOf("asyncapi", "3.0.0"),
      "An AsyncAPI 3.0 document: the events of streams and the WebSocket.",
    ),
  },
};

export const GET_DOCS: RouteDocs = {
  operationId: "getDocs",
  tag: "service",
  summary: "Both descriptions as a page",
  answers: { 200: text("text/html", "A page that needs no script.", "<!doctype html>…") },
};
