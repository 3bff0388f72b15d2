import { html } from "../vendor/lit-html/lit-html.js";

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const exact = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1000],
];

/** How long ago a date is: "5 min. ago". @param {string} date */
export function ago(date) {
  const ms = Date.parse(date) - Date.now();
  if (Number.isNaN(ms)) return "";
  for (const [unit, unitMs] of UNITS) {
    if (Math.abs(ms) >= unitMs) return relative.format(Math.trunc(ms / unitMs), unit);
  }
  return "just now";
}

/** A date as an element: relative, exact where it is pointed at. @param {string} date */
export function timeAgo(date) {
  return html`<time datetime=${date} title=${exactTime(date)}>${ago(date)}</time>`;
}

/** @param {string} date */
export function exactTime(date) {
  const at = new Date(date);
  return Number.isNaN(at.getTime()) ? date : exact.format(at);
}

/** A time of today: "14:02:11"; with its date where it is of another day. @param {string} date */
export function clockTime(date) {
  const at = new Date(date);
  return at.toDateString() === new Date().toDateString() ? clock.format(at) : exactTime(date);
}

/** A duration with as many digits as matter: "350 ms", "4.2 s", "3 m 05 s". @param {number} ms */
export function duration(ms) {
  const whole = Math.max(0, Math.round(ms));
  if (whole < 1000) return `${whole} ms`;
  if (whole < 60_000) return `${(whole / 1000).toFixed(1)} s`;
  const s = Math.floor(whole / 1000);
  if (s < 3600) return `${Math.floor(s / 60)} m ${two(s % 60)} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} m`;
  return `${Math.floor(s / 86_400)} d ${two(Math.floor((s % 86_400) / 3600))} h`;
}

/** @param {number} number */
function two(number) {
  return String(number).padStart(2, "0");
}

/**
 * How long an operation waited for a worker that took it: up to its first step.
 * @param {import("../client/client.js").OperationDocument} operation
 * @param {import("../client/client.js").Step | undefined} first
 * @returns {number | undefined} in milliseconds
 */
export function queueTime({ created_at, scheduled_at }, first) {
  if (first?.at === undefined) return undefined;
  return Math.max(0, Date.parse(first.at) - Date.parse(scheduled_at ?? created_at));
}

/**
 * How long an operation runs, or ran.
 * @param {import("../client/client.js").OperationDocument} operation
 * @param {boolean} active
 * @param {number} untilMs up to when it is known that an active one runs
 */
export function runningTime(operation, active, untilMs) {
  const { created_at, scheduled_at, last_updated, completed_at } = operation;
  const start = Date.parse(scheduled_at ?? created_at);
  const updated = Date.parse(last_updated);
  const end = active
    ? Math.max(updated, untilMs)
    : completed_at
      ? Date.parse(completed_at)
      : updated;
  // It ticks once a second, so while it runs it has no fractions.
  const ms = Math.max(0, end - start);
  return active && ms < 60_000 ? `${Math.floor(ms / 1000)} s` : duration(ms);
}
