/** A page of React in StrictMode, which a test has rendered with other properties. */

import { createElement as h, StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { useOperation, useOperations, useSteps } from "../../../client/react.ts";

interface Props {
  readonly id?: string;
  readonly prefix?: string;
  /** Of an operation whose steps are shown. */
  readonly steps?: string;
}

function Progress({ name, id }: { readonly name: string; readonly id: string | undefined }) {
  const { operation, state, error } = useOperation<number>(id);
  const text = error
    ? (error as Error).message
    : `${operation?.custom_status ?? "no id"} ${state.kind}`;
  return h("p", { id: name }, text);
}

function List({ prefix }: { readonly prefix: string }) {
  const { operations } = useOperations({ prefix });
  return h("p", { id: "list" }, operations.map(({ operation_id }) => operation_id).join(" "));
}

function Steps({ id }: { readonly id: string }) {
  const { operation, steps } = useSteps(id);
  return h("p", { id: "steps" }, [operation?.status, ...steps.map(({ kind }) => kind)].join(" "));
}

function App({ id, prefix, steps }: Props) {
  return h(
    StrictMode,
    null,
    h(Progress, { name: "first", id }),
    h(Progress, { name: "second", id }),
    prefix !== undefined && h(List, { prefix }),
    steps !== undefined && h(Steps, { id: steps }),
  );
}

const root = createRoot(document.getElementById("root") as HTMLElement);
Object.assign(globalThis, {
  render: (props: Props) => root.render(h(App, props)),
  unmount: () => root.unmount(),
});
