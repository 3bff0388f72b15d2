import type { JsonSchema } from "./components.ts";

/** @see https://www.asyncapi.com/docs/reference/specification/v3.0.0 */
export interface AsyncApiDocument {
  readonly asyncapi: string;
  readonly info: object;
  readonly defaultContentType: string;
  readonly channels: Readonly<Record<string, AsyncApiChannel>>;
  readonly operations: Readonly<Record<string, AsyncApiOperation>>;
  readonly components: {
    readonly messages: Readonly<Record<string, AsyncApiMessage>>;
    readonly schemas: Readonly<Record<string, JsonSchema>>;
    readonly securitySchemes: object;
  };
}
export interface Reference {
  readonly $ref: string;
}
export interface AsyncApiChannel {
  readonly address: string;
  readonly title: string;
  readonly description: string;
  readonly messages: Readonly<Record<string, Reference>>;
  readonly parameters?: object;
  readonly bindings: object;
}
export interface AsyncApiOperation {
  readonly action: "send" | "receive";
  readonly title: string;
  readonly summary: string;
  readonly channel: Reference;
  readonly security: readonly Reference[];
  readonly messages: readonly Reference[];
}
export interface AsyncApiMessage {
  /** The event's name, or the message's `type`. */
  readonly name: string;
  readonly title: string;
  readonly summary: string;
  readonly headers?: JsonSchema;
  readonly payload: JsonSchema;
  readonly examples: readonly { readonly name: string; readonly payload: unknown }[];
}
