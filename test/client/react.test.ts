import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { expect, test } from "vitest";
import { useOperation, useOperations, useSteps } from "../../client/react.ts";

test("on a server the hooks render what a browser shows first, and watch nothing", () => {
  function Shown({ id }: { readonly id: string | undefined }) {
    const { operation, state } = useOperation(id);
    const { operations } = useOperations({ prefix: "order-" });
    const { steps } = useSteps(id);
    return createElement(
      "p",
      null,
      `${operation?.status} ${state.kind} ${operations.length} ${steps.length}`,
    );
  }
  for (const id of [undefined, "order-1"]) {
    expect(renderToString(createElement(Shown, { id }))).toBe("<p>undefined connecting 0 0</p>");
  }
});
