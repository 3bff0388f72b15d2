import { BASE } from "../app/base.js";
import { everySecond } from "../app/clock.js";
import { client, credentialOf, describe, may, request } from "../app/server.js";
import { createClient } from "../client/client.js";
import { isActive } from "../parts/status.js";
import { duration } from "../parts/time.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";

/**
 * The transports compared: one operation, followed at the same time by every transport and by plain polling, with the
 * requests that each makes and how late each learns of a change.
 *
 * @typedef {import("../client/client.js").OperationDocument} Operation
 * @typedef {import("../client/client.js").Transport} Transport
 * @typedef {{
 *   title: string,
 *   hint: string,
 *   transport: Transport | undefined,
 *   status: string,
 *   requests: number,
 *   updates: number,
 *   lagsMs: number[],
 *   failed: string,
 * }} Lane `transport`: none is plain polling; `status`: empty until it is measured
 */

const POLL_EVERY_MS = 2000;
const PROCESSING_TIME_S = 20;
/** Changes in that time: not in step with the polls. */
const STEPS = 27;

/** @param {import("../app/main.js").Stage} stage */
export function showConnection({ root, signal, onState }) {
  document.title = "Connection · dts-push";
  onState(undefined);
  let lanes = newLanes();
  let running = new AbortController();
  let [message, id, hasSample] = ["", "", true];
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
    lanes = newLanes();
    for (const lane of lanes) {
      if (lane.transport) void follow(lane, lane.transport, running.signal);
      else void poll(lane, running.signal);
    }
    draw();
  };

  /** @param {Lane} lane @param {Transport} transport @param {AbortSignal} ended */
  const follow = async (lane, transport, ended) => {
    lane.status = "PENDING";
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
    lane.status = "PENDING";
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
    const isRunning = lanes.some(
      ({ status, failed }) => status !== "" && !failed && isActive({ status }),
    );
    const button = html`<button type="button" class="primary" @click=${begin}>${lanes[0]?.status ? "Measure again" : "Measure"}</button>`;
    render(
      html`<h1>Transports compared</h1>
        <p>
          One operation changes ${STEPS} times in ${PROCESSING_TIME_S} seconds, and is followed in four ways at once. The lag is the
          time from the scheduler's date of a change to its arrival here, by two clocks: it is only as exact as they agree.
        </p>
        ${message ? html`<p class="notice bad" role="alert">${message}</p>` : nothing}
        <div class="measure">
          ${
            !may("operations:start")
              ? html`<p>It starts an operation of the sample, which you may not do here.</p>`
              : hasSample
                ? button
                : html`<p>It needs the sample, which this server does not run.</p>`
          }
          <p role="status">${isRunning ? "Measuring …" : outcome(lanes)}</p>
        </div>
        ${table(lanes)}`,
      root,
    );
  };
  const load = async () => {
    const answer = await request("api/sample");
    if (answer.ok) ({ enabled: hasSample } = await answer.json());
    draw();
  };
  load().catch(() => undefined); // Measuring reports what is wrong with the server.
  everySecond(draw, signal);
  draw();
}

/** @param {Lane[]} lanes */
function table(lanes) {
  const longestMs = Math.max(1, ...lanes.map((lane) => medianOf(lane) ?? 0));
  return html`<div class="scroll panel" tabindex="0" role="region" aria-label="Comparison">
    <table class="comparison">
      <thead>
        <tr><th scope="col">Transport</th><th scope="col" class="right">Requests</th><th scope="col" class="right">States seen</th><th scope="col" class="right">Median lag</th><td class="lag"></td><th scope="col" class="right">Longest lag</th></tr>
      </thead>
      <tbody>${lanes.map((lane) => laneRow(lane, longestMs))}</tbody>
    </table>
  </div>`;
}

/** @param {Lane} lane @param {number} longestMs */
function laneRow(lane, longestMs) {
  const { title, hint, transport, status, requests, updates, lagsMs, failed } = lane;
  const middle = medianOf(lane);
  const shown = (/** @type {number} */ ms) => (lagsMs.length === 0 ? "–" : duration(ms));
  return html`<tr>
    <th scope="row">${title}<span class="quiet">${hint}</span>${failed ? html`<span class="bad-text">${failed}</span>` : nothing}</th>
    <td class="number right">${status ? requests : "–"}</td>
    <td class="number right">${status ? updates : "–"}</td>
    <td class="number right">${shown(middle ?? 0)}</td>
    <td class="lag"><span class=${transport ? "" : "polled"} .style=${`inline-size: ${(100 * (middle ?? 0)) / longestMs}%`}></span></td>
    <td class="number right">${shown(Math.max(...lagsMs))}</td>
  </tr>`;
}

/** What a push is worth, in one sentence. @param {Lane[]} lanes */
function outcome(lanes) {
  const pushed = lanes.find(({ transport }) => transport);
  const polled = lanes.find(({ transport }) => !transport);
  if (!pushed || !polled) return "";
  const [pushMs, pollMs] = [medianOf(pushed), medianOf(polled)];
  if (pushMs === undefined || pollMs === undefined) return "";
  return `Pushed changes arrived after ${duration(pushMs)}, with ${count(pushed)}; polled ones after ${duration(pollMs)}, with ${count(polled)}.`;
}

/** @param {Lane} lane */
function count({ requests }) {
  return `${requests} ${requests === 1 ? "request" : "requests"}`;
}

/** @param {Lane} lane */
function medianOf({ lagsMs }) {
  const sorted = [...lagsMs].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

/** @returns {Lane[]} */
function newLanes() {
  return /** @type {const} */ ([
    ["WebSocket", "one connection for everything", "websocket"],
    ["Server-sent events", "one answer that does not end", "sse"],
    ["Long-poll", "each answer waits for a change", "long-poll"],
    ["Plain polling", `a request every ${POLL_EVERY_MS / 1000} s`, undefined],
  ]).map(([title, hint, transport]) => ({
    title,
    hint,
    transport,
    status: "",
    requests: 0,
    updates: 0,
    lagsMs: [],
    failed: "",
  }));
}
