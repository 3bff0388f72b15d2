import { announce } from "../app/announce.js";
import { urlOf } from "../app/base.js";
import { everySecond, perFrame } from "../app/clock.js";
import { markGone, saysGone } from "../app/gone.js";
import { Known } from "../app/known.js";
import { operationPath } from "../app/router.js";
import { client, describe } from "../app/server.js";
import { actions } from "../parts/actions.js";
import { HistoryTable } from "../parts/history/history-table.js";
import { Replay } from "../parts/history/replay.js";
import { TimelineView, timeline } from "../parts/history/timeline.js";
import { spanOf } from "../parts/history/timeline-model.js";
import { copyButton, jsonBlock } from "../parts/json.js";
import { messageOf, progressBar } from "../parts/progress.js";
import { isActive, statusBadge, statusOf } from "../parts/status.js";
import { duration, exactTime, queueTime, runningTime, timeAgo } from "../parts/time.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";

/**
 * @typedef {import("../client/client.js").OperationDocument} Operation
 * @typedef {import("../client/client.js").Step} Step
 */

/** Steps that are kept: a page is no archive. */
const MAX_STEPS = 10_000;
const RESTART_WITHIN_MS = 10_000;
const RESTART_PAUSE_MS = 500;

/**
 * One operation: what it is, how far it is, and everything that has happened in it, live.
 * @param {import("../app/main.js").Stage} stage
 * @param {string} id
 */
export function showOperation({ root, signal, onState, onError }, id) {
  document.title = `${id} · dts-push`;
  /** @type {Operation | undefined} */
  let operation;
  /** With what streams do not carry: its input, and where it failed. @type {Operation | undefined} */
  let whole;
  /** @type {Step[]} */
  let steps = [];
  let stepsCut = false;
  /** @type {string | undefined} */
  let place;
  let message = "";
  let following = false;
  /** @type {import("../client/client.js").ConnectionState | undefined} */
  let state;
  /** When the server was asked for `whole`. @type {string | null} */
  let askedAt = null;
  const known = new Known();
  const report = () => {
    // A stream dates its states with the first heartbeat. Until then `whole` does, if what is shown is no older.
    const isShown =
      whole !== undefined && operation && operation.last_updated >= whole.last_updated;
    const asOf = isShown ? askedAt : null;
    const dated = state && "as_of" in state ? { ...state, as_of: state.as_of ?? asOf } : state;
    if (dated) known.take(dated);
    onState(dated, operation !== undefined);
  };
  const draw = perFrame(() => render(page(), root), signal);
  const view = new TimelineView(draw);
  const replay = new Replay(draw, signal);
  const history = new HistoryTable(draw);

  /** Follows it to its end, or from there on where it runs again. */
  const follow = async () => {
    if (following) return;
    following = true;
    try {
      for await (const item of client.watchSteps(id, {
        signal,
        onState: takeState,
        after: place,
      })) {
        place = item.cursor || place;
        if (item.type === "operation") take(item.operation);
        else if (item.type === "reset") [steps, stepsCut] = [[], false];
        else steps.push(item.step);
        if (steps.length > MAX_STEPS) {
          steps.splice(0, MAX_STEPS / 10);
          stepsCut = true;
        }
        draw();
      }
    } catch (error) {
      if (signal.aborted) return;
      message = describe(error);
      if (saysGone(error)) markGone(id);
      onState(undefined);
      onError(error);
      draw();
    }
    following = false;
  };

  /** This page has made it run again, which a read may not show at once. */
  const followRestart = async () => {
    const [ended, until] = [operation, Date.now() + RESTART_WITHIN_MS];
    while (!signal.aborted && operation === ended && Date.now() < until) {
      await follow();
      await new Promise((resolve) => setTimeout(resolve, RESTART_PAUSE_MS));
    }
  };

  const takeState = (/** @type {typeof state} */ next) => {
    state = next;
    report();
  };

  /** @param {Operation} next */
  const take = (next) => {
    const isNews = operation !== undefined && operation.status !== next.status;
    if (isNews) announce(`${next.name}: ${statusOf(next.status).label}.`);
    const isAnother = operation?.created_at !== next.created_at;
    if (isAnother || (isNews && next.status === "Failed")) void loadWhole();
    operation = next;
    message = "";
    report();
    document.title = `${statusOf(next.status).label}: ${(next.name || id).slice(0, 100)} · dts-push`;
  };

  const loadWhole = async () => {
    const at = new Date().toISOString();
    try {
      whole = await client.get(id, { include: "input,stack" });
      askedAt = at;
      if (following) report();
    } catch {
      // What follows the operation reports what is wrong.
    }
    draw();
  };

  const page = () => {
    if (!operation) {
      return html`<header class="operation-head">
        <p class="crumbs"><a href=${urlOf("").href}>Operations</a></p>
        <div class="title"><h1>${id}</h1></div>
        ${message ? html`<p class="notice bad" role="alert">${message}</p>` : html`<p class="quiet">Loading …</p>`}
      </header>`;
    }
    return html`${header(operation)}
      ${message ? html`<p class="notice bad" role="alert">${message}</p>` : nothing}
      <div class="columns">
        <section class="panel" aria-labelledby="timeline-title">
          <h2 id="timeline-title">Timeline</h2>
          ${timelinePart(operation)}
        </section>
        <section class="panel" aria-labelledby="data-title">
          <h2 id="data-title">Data</h2>
          ${dataPart(operation)}
        </section>
        <section class="panel" aria-labelledby="history-title">
          <h2 id="history-title">History</h2>
          ${stepsCut ? html`<p class="quiet">The newest steps, at most ${MAX_STEPS.toLocaleString("en")}. The API has all of them.</p>` : nothing}
          ${history.table(steps, replay.atMs)}
        </section>
      </div>`;
  };

  /** @param {Operation} each */
  const header = (each) => {
    const { name, status, created_at, scheduled_at, completed_at, version, tags, parent_id } = each;
    const waitedMs = stepsCut ? undefined : queueTime(each, steps[0]);
    return html`<header class="operation-head" data-kind=${statusOf(status).kind}>
      <p class="crumbs"><a href=${urlOf("").href}>Operations</a>${parent_id ? html`<span aria-hidden="true">/</span>parent <a href=${operationPath(parent_id)}>${parent_id}</a>` : nothing}</p>
      <div class="title"><h1>${name || id}</h1>${statusBadge(status)} ${actions(each, followRestart)}</div>
      <p class="id"><code>${id}</code>${copyButton(id, "Copy the id")}</p>
      <p class="custom-status">${progressBar(each)}<span>${messageOf(each)}</span></p>
      <dl class="facts">
        <div><dt>Running time</dt><dd class="number">${runningTime(each, isActive(each), known.untilMs)}</dd></div>
        <div><dt>Waited for a worker</dt><dd class="number">${waitedMs === undefined ? "–" : duration(waitedMs)}</dd></div>
        <div><dt>Created</dt><dd>${timeAgo(created_at)}</dd></div>
        ${scheduled_at ? html`<div><dt>Scheduled for</dt><dd>${exactTime(scheduled_at)}</dd></div>` : nothing}
        ${completed_at ? html`<div><dt>Ended</dt><dd>${timeAgo(completed_at)}</dd></div>` : nothing}
        ${version ? html`<div><dt>Version</dt><dd>${version}</dd></div>` : nothing}
        ${Object.entries(tags ?? {}).map(([key, value]) => html`<div><dt>${key}</dt><dd>${value}</dd></div>`)}
        <div><dt>API</dt><dd class="links">
          ${apiLink("Document", "api/operations")} ${apiLink("Events", "api/events", { detail: "steps" })} ${apiLink("History", "api/history")}
        </dd></div>
      </dl>
    </header>`;
  };

  /** @param {string} label @param {string} path @param {Record<string, string>} [more] */
  const apiLink = (label, path, more = {}) => {
    const query = new URLSearchParams({ operation_id: id, ...more });
    return html`<a href=${urlOf(`${path}?${query}`).href} target="_blank" rel="noopener">${label}</a>`;
  };

  /** @param {Operation} each */
  const timelinePart = (each) => {
    const span = spanOf(steps);
    if (!span) {
      return html`<p class="quiet">${each.status === "PENDING" ? "Nothing has happened yet: no worker has taken it." : "No steps are known."}</p>`;
    }
    const active = isActive(each);
    const endMs = active ? Math.max(span.endMs, known.untilMs) : span.endMs;
    const nowMs = replay.atMs === undefined ? endMs : span.startMs + replay.atMs;
    const whole = { startMs: span.startMs, endMs };
    return html`${timeline(steps, whole, view, nowMs)} ${active ? nothing : replay.controls(span.endMs - span.startMs)}`;
  };

  /** @param {Operation} each */
  const dataPart = (each) => {
    const { custom_status, result, error } = each;
    const text = error && `${error.type}: ${error.message}`;
    const isWhole = whole?.cursor === each.cursor;
    const blocks = [
      jsonBlock("Error", text),
      jsonBlock("Stack", isWhole ? whole?.error?.stack : undefined),
      jsonBlock("Custom status", custom_status),
      jsonBlock("Result", result),
      jsonBlock("Input", whole?.input),
    ];
    const isEmpty = blocks.every((block) => block === nothing);
    return isEmpty ? html`<p class="quiet">None.</p>` : blocks;
  };

  void follow();
  everySecond(draw, signal);
  document.addEventListener("visibilitychange", () => void follow(), { signal });
  render(page(), root);
}
