/** Starts an operation as a client would, and returns its id. */
export async function startOperation(url: URL, body: object): Promise<string> {
  const response = await fetch(new URL("/api/start-operation", url), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return ((await response.json()) as { operation_id: string }).operation_id;
}
