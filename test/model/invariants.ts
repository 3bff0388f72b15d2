import { isTerminal } from "../../src/streaming/operation/operation-status.ts";
import type { Follower, View } from "./follower.ts";
import type { Data } from "./link.ts";
import { contentOf, shows, type Version, type World } from "./world.ts";

/** What a client resumes from: a cursor of one operation, a watermark, or one that may be wrong. */
type Resumes = "cursor" | "watermark" | "unsure";

/** Everything in a follower's record that PROTOCOL.md rules out. */
export function violations(follower: Follower, world: World): string[] {
  const found = [...follower.faults];
  // A watermark does not name the state of each operation, so a stale one may be taken for newer.
  const byWatermark = world.sawStaleReads ? "unsure" : "watermark";
  const resumes = follower.resumesExactly ? "cursor" : byWatermark;
  for (const view of follower.views) {
    const wrong = (what: string) => found.push(`${follower.name}, ${view.id}: ${what}`);
    checkView(view, world.versions(view.id), resumes, wrong);
  }
  return found;
}

function checkView(
  { base, received, end }: View,
  versions: readonly Version[],
  resumes: Resumes,
  wrong: (what: string) => void,
): void {
  let before = base;
  received.forEach(({ type, document, changed }, index) => {
    const matching = versions.filter(({ cursor }) => cursor === document.cursor);
    const { cursor } = document;
    if (!matching.some(({ instance }) => shows(document, instance))) {
      wrong(`C1: ${cursor} is the cursor of no state that was stored like this`);
    }
    const isFirst = index === 0;
    if (type !== "answer" && (type === "snapshot") !== isFirst) {
      wrong(`event ${index} of the connection is "${type}"`);
    }
    if (before) {
      if (isFirst && resumes === "unsure") {
        before = document;
        return;
      }
      if (isBackward(before, document, versions)) {
        wrong(`C2: goes back from ${before.cursor} to ${cursor}`);
      }
      if (isRepeated(before, document, isFirst, resumes)) {
        wrong(`${isFirst ? "C4" : "C2"}: receives ${cursor} again after ${before.cursor}`);
      }
      if (!isFirst && before.created_at === document.created_at) {
        if (document.status === "PENDING" && before.status !== "PENDING") {
          wrong(`C2: receives PENDING after ${before.status} of one incarnation`);
        }
      }
      if (!isFirst && isTerminal(before.status)) wrong("C3: receives something after the end");
      if (changed && !isFirst) checkChanged(before, document, changed, wrong);
    }
    before = document;
  });
  const last = received.at(-1)?.document;
  if (last && isTerminal(last.status) && end !== "terminal" && end !== "left") {
    wrong(`C3: its end is followed by "${end ?? "nothing"}"`);
  }
}

function isBackward(before: Data, after: Data, versions: readonly Version[]): boolean {
  const [a, b] = [before, after].map(({ created_at, last_updated }) => created_at + last_updated);
  if (a !== b) return (b as string) < (a as string);
  // Within one millisecond: any order in which the two were stored will do.
  const first = versions.findIndex(({ cursor }) => cursor === before.cursor);
  const last = versions.findLastIndex(({ cursor }) => cursor === after.cursor);
  return last < first;
}

/**
 * Whether a viewer is sent the same state twice. A client that resumes with a watermark may be, where
 * `last_updated` has moved.
 */
function isRepeated(before: Data, after: Data, isFirst: boolean, resumes: Resumes): boolean {
  if (contentOf(before) !== contentOf(after)) return false;
  if (!isFirst) return true;
  return resumes !== "watermark" || before.cursor === after.cursor;
}

function checkChanged(
  before: Data,
  after: Data,
  changed: readonly string[],
  wrong: (what: string) => void,
): void {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  keys.delete("cursor");
  keys.delete("last_updated");
  const differing = [...keys].filter(
    (key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]),
  );
  if (differing.sort().join() !== [...changed].sort().join()) {
    wrong(`changed names [${changed}], but [${differing}] differ`);
  }
}

/** What a connected follower still has to receive, if anything. */
export function missing(follower: Follower, world: World): string | undefined {
  for (const id of follower.ids) {
    if (follower.finished.has(id)) continue;
    const present = world.present(id);
    const latest = follower.latestOf(id);
    if (!present) return `${follower.name} did not receive that ${id} is gone`;
    if (!latest || !shows(latest, present)) {
      return `${follower.name} did not receive that ${id} is ${present.status} (${world.versions(id).at(-1)?.cursor})`;
    }
    // The end of the subscription belongs to a terminal state.
    if (isTerminal(latest.status)) return `${follower.name} did not receive the end of ${id}`;
  }
  return undefined;
}
