/** Whether a client asks for a stream of server-sent events rather than for a document. */
export function wantsEventStream(accept: string | undefined): boolean {
  const types = (accept ?? "").split(",").map((range) => range.split(";")[0]?.trim().toLowerCase());
  return types.includes("text/event-stream") && !types.includes("application/json");
}
