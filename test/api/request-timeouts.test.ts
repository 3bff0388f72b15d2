import { expect, test } from "vitest";
import { checkProblem } from "./support/problem.ts";
import { RawConnection, splitAnswer } from "./support/raw-connection.ts";
import { useSharedStack } from "./support/shared-stack.ts";

const stack = useSharedStack();

test("a request that has not arrived within 30 s is answered 408, and so is a silent connection (30 s)", async () => {
  const startedMs = performance.now();
  const answers = await Promise.all(
    [
      "",
      "GET /healthz HTTP/1.1\r\nhost: localhost\r\n",
      "POST /api/start-operation HTTP/1.1\r\nhost: localhost\r\n" +
        "content-type: application/json\r\ncontent-length: 20\r\n\r\n{",
    ].map(async (bytes) => {
      const connection = await RawConnection.open(stack.url);
      return connection.send(bytes).untilClosed();
    }),
  );
  expect(performance.now() - startedMs).toBeGreaterThan(29_000);
  for (const answer of answers) {
    const { head, body } = splitAnswer(answer);
    expect(head).toMatch(/^HTTP\/1\.1 408 /);
    checkProblem(body, 408, "request-timeout");
  }
});
