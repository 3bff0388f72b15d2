import type { Follower, View } from "./follower.ts";
import { contentOf, type Document, isOver, shows, type Version, type World } from "./world.ts";

/** How well a client that comes back can say where it was. */
type Resumes = "exactly" | "by watermark" | "somewhere";

/** Everything in a follower's record that PROTOCOL.md rules out. */
export function violations(follower: Follower, world: World): string[] {
  const found = [...follower.faults];
  // A watermark does not tell where each operation stood, so an old state may pass for a new one.
  const resumes = follower.resumesExactly
    ? "exactly"
    : world.sawStaleReads
      ? "somewhere"
      : "by watermark";
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
      if (isFirst && resumes === "somewhere") {
        before = document;
        return;
      }
      if (isBackward(before, document, versions)) {
        wrong(`C2: goes back from ${before.cursor} to ${cursor}`);
      }
      if (isRepeated(before, document, isFirst, resumes)) {
        wrong(`${isFirst ? "C4" : "C2"}: is told again of ${cursor} after ${before.cursor}`);
      }
      if (!isFirst && before.created_at === document.created_at) {
        if (document.status === "PENDING" && before.status !== "PENDING") {
          wrong(`C2: is shown PENDING after ${before.status} in one life`);
        }
      }
      if (!isFirst && isOver(before)) wrong("C3: is told something after the end");
      if (changed && !isFirst) checkChanged(before, document, changed, wrong);
    }
    before = document;
  });
  const last = received.at(-1)?.document;
  if (last && isOver(last) && end !== "terminal" && end !== "left") {
    wrong(`C3: its end is followed by "${end ?? "nothing"}"`);
  }
}

function isBackward(before: Document, after: Document, versions: readonly Version[]): boolean {
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
function isRepeated(
  before: Document,
  after: Document,
  isFirst: boolean,
  resumes: Resumes,
): boolean {
  if (contentOf(before) !== contentOf(after)) return false;
  if (!isFirst) return true;
  return resumes !== "by watermark" || before.cursor === after.cursor;
}

function checkChanged(
  before: Document,
  after: Document,
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

/** What a follower that stayed still has to be told, if anything. */
export function missing(follower: Follower, world: World): string | undefined {
  for (const id of follower.ids) {
    if (follower.finished.has(id)) continue;
    const present = world.present(id);
    const latest = follower.latestOf(id);
    if (!present) return `${follower.name} was not told that ${id} is gone`;
    if (!latest || !shows(latest, present)) {
      return `${follower.name} was not told that ${id} is ${present.status} (${world.versions(id).at(-1)?.cursor})`;
    }
    // Of a terminal state, the end of its subscription is a part.
    if (isOver(latest)) return `${follower.name} was not told that ${id} has ended`;
  }
  return undefined;
}
