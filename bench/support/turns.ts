/** What is measured in turns: medians, the spread of the turns, and ratios within each turn. */
import { percentile, type Row, round } from "./report.ts";

/** Figures of one turn by name. */
export type Figures = Readonly<Record<string, number>>;

/**
 * Medians of the turns. The `first` figure comes with its spread and, as `of_bare`, its ratio to the yardstick's.
 * @param turns `undefined` where there was nothing to measure
 */
export function medians(
  first: string,
  turns: readonly (Figures | undefined)[],
  bare: readonly (Figures | undefined)[],
): Row {
  const found = turns.filter((figures) => figures !== undefined);
  if (found.length < turns.length) return { [first]: 0 };
  const all = (name: string) => found.map((figures) => figures[name] ?? Number.NaN).sort(byValue);
  const ratios = found.map((figures, turn) => (figures[first] ?? 0) / (bare[turn]?.[first] ?? 0));
  const ofBare = round(median(ratios.sort(byValue)));
  const { [first]: _, ...others } = found[0] ?? {};
  return {
    [first]: median(all(first)),
    spread: `${all(first)[0]}–${all(first).at(-1)}`,
    ...(Number.isFinite(ofBare) && { of_bare: ofBare }),
    ...Object.fromEntries(Object.keys(others).map((name) => [name, median(all(name))])),
  };
}

const byValue = (a: number, b: number) => a - b;
const median = (sorted: readonly number[]) => percentile(sorted, 0.5);
