import { BASE } from "../app/base.js";
import { everySecond } from "../app/clock.js";
import { client, credentialOf, describe, may } from "../app/server.js";
import { createClient } from "../client/client.js";
import { isActive, statusBadge } from "../parts/status.js";
import { duration } from "../parts/time.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";

/**
 * The transports compared: one operation, followed at the same time by every transport and by plain polling, with the
 * requests that each makes and how late each learns of a change.
 *
 * @typedef {import("../client/client.js").OperationDocument} Operation
 * @typedef {{ title: string, hint: string, status: string, requests: number, updates: number, lagsMs: number[], failed: string }} Lane
 */

const POLL_EVERY_MS = 2000;
const PROCESSING_TIME_S = 20;
/** Changes in that time: not in step with the polls. */
const STEPS = 27;

/** @param {import("../app/main.js").Stage} stage */
export function showConnection({ root, signal, onState }) {
  document.title = "Connection · dts-push";
  onState(undefined);
  /** @type {Lane[]} */
  let lanes = [];
  let running = new AbortController();
  let [message, id] = ["", ""];
  signal.addEventListener("abort", () => running.abort());

  const begin = async () => {
    running.abort();
    running = new AbortController();
    message = "";
    try {
      const body = { processing_time: PROCESSING_TIME_S, steps: STEPS };
      ({ operation_id: id } = await client.startSample(body));
    } catch (error) {
      message = describe(error);
      return draw();
    }
    lanes = /** @type {const} */ ([
      ["WebSocket", "one connection for everything", "websocket"],
      ["Server-sent events", "one answer that does not end", "sse"],
      ["Long-poll", "each answer waits for a change", "long-poll"],
    ]).map(([title, hint, transport]) => {
      const lane = newLane(title, hint);
      void follow(lane, transport, running.signal);
      return lane;
    });
    const polled = newLane("Plain polling", `a request every ${POLL_EVERY_MS / 1000} s`);
    lanes.push(polled);
    void poll(polled, running.signal);
    draw();
  };

  /** @param {Lane} lane @param {import("../client/client.js").Transport} transport @param {AbortSignal} ended */
  const follow = async (lane, transport, ended) => {
    const own = createClient({
      url: BASE,
      transport,
      share: false,
      token: credentialOf,
      fetch: (...request) => {
        lane.requests += 1;
        return fetch(...request);
      },
    });
    if (transport === "websocket") lane.requests = 1;
    try {
      for await (const operation of own.watch(id, { signal: ended })) take(lane, operation);
    } catch (error) {
      if (!ended.aborted) lane.failed = describe(error);
    }
    draw();
  };

  /** @param {Lane} lane @param {AbortSignal} ended */
  const poll = async (lane, ended) => {
    let cursor = "";
    while (!ended.aborted) {
      try {
        lane.requests += 1;
        const operation = await client.get(id);
        if (operation.cursor !== cursor) take(lane, operation);
        cursor = operation.cursor;
        if (!isActive(operation)) return;
        lane.failed = "";
      } catch (error) {
        lane.failed = describe(error);
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_EVERY_MS));
    }
  };

  /** @param {Lane} lane @param {Operation} operation */
  const take = (lane, operation) => {
    lane.status = operation.status;
    lane.updates += 1;
    // The first state is as old as it is; the lag is that of changes.
    if (lane.updates > 1) lane.lagsMs.push(Date.now() - Date.parse(operation.last_updated));
    draw();
  };

  const draw = () => {
    if (signal.aborted) return;
    render(
      html`<h1>Transports compared</h1>
        <p class="lead">
          One operation changes ${STEPS} times in ${PROCESSING_TIME_S} seconds. It is followed in four ways at once. The lag is the
          time from the scheduler's date of a change to its arrival here, by two clocks, so it is as exact as they agree.
        </p>
        ${message ? html`<p class="notice bad" role="alert">${message}</p>` : nothing}
        ${
          may("operations:start")
            ? html`<button type="button" class="primary" @click=${begin}>${lanes.length > 0 ? "Measure again" : "Measure"}</button>`
            : html`<p class="notice">It starts an operation of the sample, which you may not do here.</p>`
        }
        ${lanes.length > 0 ? table(lanes) : nothing}`,
      root,
    );
  };
  everySecond(draw, signal);
  draw();
}

/** @param {Lane[]} lanes */
function table(lanes) {
  return html`<div class="scroll panel" tabindex="0" role="region" aria-label="Comparison">
    <table>
      <thead>
        <tr><th scope="col">Transport</th><th scope="col">State</th><th scope="col" class="right">Requests</th><th scope="col" class="right">States seen</th><th scope="col" class="right">Lag, median</th><th scope="col" class="right">Lag, worst</th></tr>
      </thead>
      <tbody>${lanes.map(laneRow)}</tbody>
    </table>
  </div>`;
}

/** @param {Lane} lane */
function laneRow({ title, hint, status, requests, updates, lagsMs, failed }) {
  const sorted = [...lagsMs].sort((a, b) => a - b);
  const [middle, worst] = [sorted[sorted.length >> 1], sorted.at(-1)];
  return html`<tr>
    <th scope="row">${title}<span class="quiet">${hint}</span></th>
    <td>${failed ? html`<span class="bad-text">${failed}</span>` : status ? statusBadge(status) : "…"}</td>
    <td class="number right">${requests}</td>
    <td class="number right">${updates}</td>
    <td class="number right">${middle === undefined ? "–" : duration(middle)}</td>
    <td class="number right">${worst === undefined ? "–" : duration(worst)}</td>
  </tr>`;
}

/** @param {string} title @param {string} hint @returns {Lane} */
function newLane(title, hint) {
  return { title, hint, status: "", requests: 0, updates: 0, lagsMs: [], failed: "" };
}
