/** What is measured in turns: medians, the spread of the turns, and ratios within each turn. */
import { percentile, type Row, round } from "./report.ts";

/** Figures of one turn by name. */
export type Figures = Readonly<Record<string, number>>;

/**
 * Medians of the turns. The `first` figure comes with its spread and, as `of_bare`, its ratio to the yardstick's.
 * @param turns `undefined` for a turn without a result: its `first` figure counts as 0
 */
export function medians(
  first: string,
  turns: readonly (Figures | undefined)[],
  bare: readonly (Figures | undefined)[],
): Row {
  const firsts = turns.map((figures) => figures?.[first] ?? 0);
  const ratios = firsts.map((value, turn) => value / (bare[turn]?.[first] ?? 0));
  const ofBare = round(median(ratios.filter(Number.isFinite)));
  const found = turns.filter((figures) => figures !== undefined);
  const { [first]: _, ...others } = found[0] ?? {};
  const ofOthers = Object.keys(others).map((name) => [
    name,
    median(found.map((figures) => figures[name] ?? Number.NaN)),
  ]);
  return {
    [first]: median(firsts),
    spread: `${Math.min(...firsts)}–${Math.max(...firsts)}`,
    ...(Number.isFinite(ofBare) && { of_bare: ofBare }),
    ...Object.fromEntries(ofOthers),
  };
}

function median(values: readonly number[]): number {
  return percentile(
    values.toSorted((a, b) => a - b),
    0.5,
  );
}
