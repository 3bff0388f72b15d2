import { markGone, saysGone } from "../../app/gone.js";
import { client, describe, may } from "../../app/server.js";
import { html } from "../../vendor/lit-html/lit-html.js";
import { ask } from "../dialog.js";
import { isActive } from "../status.js";

/**
 * What can be done with all operations that are selected.
 * @typedef {import("../../client/client.js").OperationDocument} Operation
 */

/** How many operations are acted on at a time. */
const AT_A_TIME = 5;

/**
 * @param {Set<string>} selected
 * @param {import("../../app/feed.js").Feed} feed
 * @param {() => void} onChange
 */
export function selectionBar(selected, feed, onChange) {
  const mine = [...selected]
    .filter((id) => may("operations:control", id))
    .flatMap((id) => feed.get(id) ?? []);
  const active = mine.filter(isActive);
  const terminal = mine.filter((each) => !isActive(each));
  const terminate = (/** @type {string} */ id) => client.terminate(id);
  const purge = async (/** @type {string} */ id) => {
    await client.purge(id);
    forget(id);
  };
  const forget = (/** @type {string} */ id) => {
    markGone(id);
    feed.remove(id);
  };
  const clear = () => {
    selected.clear();
    onChange();
  };
  const offer = (
    /** @type {"Terminate" | "Delete"} */ verb,
    /** @type {Operation[]} */ operations,
    /** @type {(id: string) => Promise<unknown>} */ act,
  ) => {
    const actOnExisting = (/** @type {string} */ id) =>
      act(id).catch((error) => {
        if (!saysGone(error)) throw error;
        forget(id); // purged by another client
      });
    const onClick = () => askForAll(verb, operations, selected, actOnExisting, onChange);
    return html`<button type="button" class="danger" ?disabled=${operations.length === 0} @click=${onClick}>${verb} ${operations.length.toLocaleString("en")}</button>`;
  };
  return html`<div class="selection" role="region" aria-label="Selection">
    <strong>${selected.size.toLocaleString("en")} selected</strong>
    ${offer("Terminate", active, terminate)} ${offer("Delete", terminal, purge)}
    <button type="button" @click=${clear}>Clear</button>
  </div>`;
}

/**
 * @param {"Terminate" | "Delete"} verb
 * @param {Operation[]} operations
 * @param {Set<string>} selected
 * @param {(id: string) => Promise<unknown>} act
 * @param {() => void} onChange
 */
function askForAll(verb, operations, selected, act, onChange) {
  const count = operations.length;
  ask({
    title: `${verb} ${count.toLocaleString("en")} ${count === 1 ? "operation" : "operations"}?`,
    text:
      verb === "Delete"
        ? "Their states and histories are deleted. This cannot be undone."
        : "They stop where they are. What activities are doing now is not undone.",
    confirm: verb,
    danger: true,
    act: async (_form, progress, signal) => {
      const rest = operations.map(({ operation_id }) => operation_id);
      /** @type {string[]} */
      const failures = [];
      let done = 0;
      const work = async () => {
        for (let id = rest.shift(); id !== undefined && !signal.aborted; id = rest.shift()) {
          const acted = id;
          await act(acted).then(
            () => selected.delete(acted),
            (error) => failures.push(describe(error)),
          );
          progress(`${++done} of ${count}`);
        }
      };
      await Promise.all(Array.from({ length: AT_A_TIME }, work));
      onChange();
      if (failures.length > 0)
        throw new Error(`${failures.length} failed. The first one: ${failures[0]}`);
    },
  });
}
