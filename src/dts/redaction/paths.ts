/** One step of a path, and what follows; `undefined` is a path's end. */
interface PathNode {
  /** The name of a member, the index of an element, or every member and element. */
  readonly selector: string | number | typeof EVERY;
  /** Whether it selects at any depth: `..` in the path. */
  readonly anywhere: boolean;
  readonly next: PathNode | undefined;
}

const EVERY = Symbol("*");

/** What paths can be about. */
const ROOTS = ["custom_status", "input", "result"] as const;

/** The places of each of them in the paths. */
export type RedactedPaths = Readonly<Record<(typeof ROOTS)[number], PathPlace>>;

/** The place of one value in a number of paths. */
export class PathPlace {
  /** Whether a path ends here: the value is selected. */
  readonly isEnd: boolean;
  readonly #nodes: readonly PathNode[];
  /** Of a child that no path names. */
  #unnamed: PathPlace | undefined;

  constructor(nodes: Iterable<PathNode | undefined>) {
    const all = [...new Set(nodes)];
    this.isEnd = all.includes(undefined);
    this.#nodes = all.filter((node) => node !== undefined);
  }

  /** Whether no path leads here or further. */
  get isOutside(): boolean {
    return !this.isEnd && this.#nodes.length === 0;
  }

  /** The place of a member, by its name, or of an element, by its index. */
  at(child: string | number): PathPlace {
    const selects = ({ selector }: PathNode) => selector === EVERY || selector === child;
    if (!this.#nodes.some(selects)) {
      this.#unnamed ??= this.#nodes.every(({ anywhere }) => anywhere)
        ? this
        : new PathPlace(this.#descending);
      return this.#unnamed;
    }
    const next = this.#nodes.filter(selects).map((node) => node.next);
    return new PathPlace([...next, ...this.#descending]);
  }

  /** The place of a value in which the paths may go on at any depth. */
  static atAnyDepth(places: readonly PathPlace[]): PathPlace {
    const nodes = places.flatMap((place) => [
      ...(place.isEnd ? [undefined] : []),
      ...place.#nodes.map((node) => ({ ...node, anywhere: true })),
    ]);
    return new PathPlace(nodes);
  }

  get #descending(): readonly PathNode[] {
    return this.#nodes.filter(({ anywhere }) => anywhere);
  }
}

const NAME_START = "A-Za-z_\\u{80}-\\u{D7FF}\\u{E000}-\\u{10FFFF}";
const QUOTED = `'(?:[^'\\\\]|\\\\.)*'|"(?:[^"\\\\]|\\\\.)*"`;
/** A segment: `.name`, `.*`, `['name']`, `["name"]`, `[0]`, `[*]`, and the same after `..`. */
const SEGMENT = new RegExp(
  `(\\.\\.?)?(?:([${NAME_START}][${NAME_START}0-9]*)|(\\*)|\\[\\s*(?:(${QUOTED})|(0|[1-9]\\d{0,9})|(\\*))\\s*\\])`,
  "uy",
);

/**
 * Reads paths that are separated by commas, in a subset of JSONPath (RFC 9535): names, indexes, `*` and
 * `..`, such as `$.input.cards[*].number` or `$..password`.
 * @throws Error that names the first path that is none
 */
export function parseRedactedPaths(text: string): RedactedPaths {
  const paths: PathNode[] = [];
  for (let at = 0; at < text.length; ) {
    const { path, end } = parsePath(text, at);
    if (ROOTS.every((root) => new PathPlace([path]).at(root).isOutside)) {
      throw new Error(`"${text.slice(at, end)}" is about none of $.${ROOTS.join(", $.")}`);
    }
    paths.push(path);
    at = end + (/^\s*,?\s*/.exec(text.slice(end))?.[0].length ?? 0);
  }
  const root = new PathPlace(paths);
  return {
    custom_status: root.at("custom_status"),
    input: root.at("input"),
    result: root.at("result"),
  };
}

function parsePath(text: string, start: number): { path: PathNode; end: number } {
  const segments: Omit<PathNode, "next">[] = [];
  let at = start + 1;
  for (; text[start] === "$" && !isEnd(text, at); at = SEGMENT.lastIndex) {
    SEGMENT.lastIndex = at;
    const segment = toSegment(SEGMENT.exec(text));
    if (!segment) break;
    segments.push(segment);
  }
  if (segments.length === 0 || !isEnd(text, at)) {
    const shown = text.slice(start).split(",", 1)[0]?.trim();
    throw new Error(`"${shown}" is not a path such as $.input.user.email or $..password`);
  }
  let path: PathNode | undefined;
  for (const segment of segments.reverse()) path = { ...segment, next: path };
  return { path: path as PathNode, end: at };
}

function isEnd(text: string, at: number): boolean {
  return /^\s*(?:,|$)/.test(text.slice(at));
}

function toSegment(match: RegExpExecArray | null): Omit<PathNode, "next"> | undefined {
  if (!match) return undefined;
  const [whole, dots, name, every, quoted, index, everyInBrackets] = match;
  const isBracket = quoted !== undefined || index !== undefined || everyInBrackets !== undefined;
  // A name needs a dot before it; brackets take none, or two.
  if (isBracket ? dots === "." : dots === undefined) return undefined;
  const anywhere = whole.startsWith("..");
  if (every !== undefined || everyInBrackets !== undefined) return { selector: EVERY, anywhere };
  if (index !== undefined) return { selector: Number(index), anywhere };
  const selector = quoted === undefined ? name : unquote(quoted);
  return selector === undefined ? undefined : { selector, anywhere };
}

/** The text of a quoted name; `undefined` for an escape that does not exist. */
function unquote(quoted: string): string | undefined {
  const inner = quoted.slice(1, -1);
  const json = inner.replace(/\\.|"/gs, (found) =>
    found === "\\'" ? "'" : found === '"' ? '\\"' : found,
  );
  try {
    return JSON.parse(`"${json}"`);
  } catch {
    return undefined;
  }
}
