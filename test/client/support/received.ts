import { within } from "../../helpers/deadline.ts";

/** The next item of an iteration, which must not have ended. */
export async function next<T>(items: AsyncGenerator<T, void>, what = "an item"): Promise<T> {
  const { done, value } = await within(what, items.next());
  if (done) throw new Error(`The iteration has ended instead of: ${what}`);
  return value;
}

/** All items to the end of an iteration. */
export function rest<T>(items: AsyncGenerator<T, void>): Promise<T[]> {
  return within("the end of an iteration", Array.fromAsync(items));
}
