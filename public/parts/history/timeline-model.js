/**
 * The bars of a timeline, made of the steps of one history.
 *
 * The history says when something was scheduled and when its result was taken in. When a worker began in between is
 * not in it, so a bar is the time of waiting and working together.
 *
 * @typedef {import("../../client/client.js").Step} Step
 * @typedef {"orchestration" | "activity" | "timer" | "event" | "child" | "entity"} BarKind
 * @typedef {"active" | "completed" | "failed" | "point"} BarState
 * @typedef {{
 *   kind: BarKind,
 *   name: string,
 *   state: BarState,
 *   startMs: number,
 *   endMs: number | undefined,
 *   attempt: number,
 *   childId: string | undefined,
 *   error: Step["error"],
 *   seq: number,
 * }} Bar `endMs` is `undefined` while it is active
 */

/** What begins a bar. @type {Record<string, BarKind>} */
const BEGINS = {
  activity_scheduled: "activity",
  timer_created: "timer",
  sub_orchestration_created: "child",
  entity_called: "entity",
};
/** What ends one. @type {Record<string, BarState>} */
const ENDS = {
  activity_completed: "completed",
  activity_failed: "failed",
  timer_fired: "completed",
  sub_orchestration_completed: "completed",
  sub_orchestration_failed: "failed",
  entity_completed: "completed",
  entity_failed: "failed",
};
/** What happens at one moment. @type {Record<string, BarKind>} */
const POINTS = {
  event_raised: "event",
  event_sent: "event",
  suspended: "event",
  resumed: "event",
  rewound: "event",
  entity_signaled: "entity",
};

/**
 * @param {readonly Step[]} steps
 * @param {number} untilMs only what has happened by then; infinity for all
 * @returns {Bar[]} the orchestration itself first, then in the order in which they began
 */
export function barsOf(steps, untilMs) {
  /** @type {Bar[]} */
  const bars = [];
  /** @type {Map<number, Bar>} */
  const open = new Map();
  /** @type {Map<string, number>} */
  const failures = new Map();
  /** @type {Bar | undefined} */
  let whole;
  for (const step of steps) {
    const atMs = step.at === undefined ? Number.NaN : Date.parse(step.at);
    if (Number.isNaN(atMs)) continue;
    if (atMs > untilMs) break;
    if (!whole) {
      whole = newBar(step, "orchestration", atMs);
      whole.name = "";
      bars.push(whole);
    }
    if (step.kind === "started" && step.name) whole.name = step.name;
    const begins = BEGINS[step.kind];
    const ends = ENDS[step.kind];
    const point = POINTS[step.kind];
    if (begins) {
      const bar = newBar(step, begins, atMs);
      bar.attempt = (failures.get(bar.name) ?? 0) + 1;
      bars.push(bar);
      open.set(step.seq, bar);
    } else if (ends) {
      const bar = step.scheduled_seq === undefined ? undefined : open.get(step.scheduled_seq);
      if (!bar) continue;
      open.delete(/** @type {number} */ (step.scheduled_seq));
      [bar.endMs, bar.state, bar.error] = [atMs, ends, step.error];
      failures.set(bar.name, ends === "failed" ? bar.attempt : 0);
    } else if (point) {
      const bar = newBar(step, point, atMs);
      [bar.endMs, bar.state] = [atMs, "point"];
      if (!step.name) bar.name = step.kind;
      bars.push(bar);
    } else if (step.kind === "completed" || step.kind === "terminated") {
      whole.endMs = atMs;
      whole.state = step.status === "Failed" ? "failed" : "completed";
      whole.error = step.error;
    }
  }
  if (whole?.endMs !== undefined) {
    // What has not answered by the end is never waited for again.
    for (const bar of open.values()) bar.endMs = whole.endMs;
  }
  return bars;
}

/** @param {Step} step @param {BarKind} kind @param {number} atMs @returns {Bar} */
function newBar(step, kind, atMs) {
  return {
    kind,
    name: step.name ?? kind,
    state: "active",
    startMs: atMs,
    endMs: undefined,
    attempt: 1,
    childId: step.child_id,
    error: undefined,
    seq: step.seq,
  };
}

/** First and last moment of a history, in epoch milliseconds. @param {readonly Step[]} steps */
export function spanOf(steps) {
  const times = steps.flatMap(({ at }) => (at === undefined ? [] : Date.parse(at)));
  if (times.length === 0) return undefined;
  return {
    startMs: Math.min(times[0] ?? 0, times.at(-1) ?? 0),
    endMs: times.reduce((a, b) => Math.max(a, b)),
  };
}
