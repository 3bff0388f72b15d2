import { PathPlace } from "./paths.ts";

/** What takes the place of a value that is not shown, as JSON. */
export const MASK = '"[REDACTED]"';

/**
 * Masks the values that paths select in JSON text.
 * @param place that of the whole text
 * @returns the same text with masks, to the character
 * @throws SyntaxError where it is no JSON, RangeError where it is nested too deeply
 */
export function maskJson(text: string, place: PathPlace): string {
  JSON.parse(text);
  return new Masking(text).run(place);
}

/** One walk over a text that is valid JSON. */
class Masking {
  readonly #text: string;
  #at = 0;
  /** The text up to here is in `#masked`. */
  #copied = 0;
  #masked = "";

  constructor(text: string) {
    this.#text = text;
  }

  run(place: PathPlace): string {
    this.#skipSpace();
    this.#value(place);
    return this.#masked + this.#text.slice(this.#copied);
  }

  /** Passes a value. */
  #value(place: PathPlace): void {
    const start = this.#at;
    const within = place.isEnd ? OUTSIDE : place;
    const first = this.#text[start];
    if (first === "{") this.#children("}", () => within.at(this.#name()));
    else if (first === "[") {
      let index = 0;
      this.#children("]", () => within.at(index++));
    } else if (first === '"') this.#skipString();
    else this.#skipToken();
    if (!place.isEnd) return;
    this.#masked += this.#text.slice(this.#copied, start) + MASK;
    this.#copied = this.#at;
  }

  /** @param nextPlace passes the name of a member, if it has one, and returns its place */
  #children(close: string, nextPlace: () => PathPlace): void {
    this.#at += 1;
    for (this.#skipSpace(); this.#text[this.#at] !== close; this.#skipSpace()) {
      if (this.#text[this.#at] === ",") {
        this.#at += 1;
        this.#skipSpace();
      }
      this.#value(nextPlace());
    }
    this.#at += 1;
  }

  #name(): string {
    const start = this.#at;
    this.#skipString();
    const name = this.#text.slice(start, this.#at);
    this.#at = this.#text.indexOf(":", this.#at) + 1;
    this.#skipSpace();
    return name.includes("\\") ? JSON.parse(name) : name.slice(1, -1);
  }

  #skipString(): void {
    let quote = this.#at;
    do quote = this.#text.indexOf('"', quote + 1);
    while (this.#isEscaped(quote));
    this.#at = quote + 1;
  }

  #isEscaped(at: number): boolean {
    let start = at;
    while (this.#text[start - 1] === "\\") start -= 1;
    return (at - start) % 2 === 1;
  }

  /** A number, `true`, `false` or `null`. */
  #skipToken(): void {
    while (!ENDS_TOKEN.has(this.#text.charCodeAt(this.#at))) this.#at += 1;
  }

  #skipSpace(): void {
    while (SPACE.has(this.#text.charCodeAt(this.#at))) this.#at += 1;
  }
}

const OUTSIDE = new PathPlace([]);
const codes = (characters: string) => [...characters].map((each) => each.charCodeAt(0));
const SPACE: ReadonlySet<number> = new Set(codes(" \t\r\n"));
/** Of a text that is a token alone, the end is no number. */
const ENDS_TOKEN: ReadonlySet<number> = new Set([...codes(" \t\r\n,]}"), Number.NaN]);
