import { Type } from "typebox";

/**
 * Text without control characters and lone surrogates, which not every scheduler can store.
 * @param what completes "must be …"
 */
export function printableText(minimum: number, maximum: number, what: string) {
  return Type.String({
    pattern: `^[^\\p{Cc}\\p{Cs}]{${minimum},${maximum}}$`,
    description: `${what}, ${minimum} to ${maximum} printable characters`,
  });
}

/** Why it is done, for readers of the history. */
export const Reason = Type.Optional(
  Type.String({
    pattern: "^[^\\0\\p{Cs}]{0,1000}$",
    description: "text of up to 1,000 characters",
    examples: ["the customer has cancelled"],
  }),
);

export const EventName = printableText(1, 1000, "the name of an event");
