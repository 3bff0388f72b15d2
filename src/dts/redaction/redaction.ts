import type { HistoryEntry } from "../history.ts";
import type { InstanceRead } from "../instance.ts";
import { MASK, maskJson } from "./mask.ts";
import { PathPlace, type RedactedPaths } from "./paths.ts";

/**
 * Masks values of custom status, input and result before anything else sees them.
 *   REDACT-1. What cannot be searched, since it is no JSON or is nested too deeply, is masked whole if any
 *       path leads into it.
 *   REDACT-2. Everything else stays as it is stored, to the character.
 *   REDACT-3. Inputs and outputs of steps have shapes of their own, and hold what becomes an input, a result
 *       or a custom status. So every path is looked for in them at any depth, whatever it begins with.
 */
export class Redaction {
  readonly #paths: RedactedPaths;
  readonly #ofSteps: PathPlace;

  constructor(paths: RedactedPaths) {
    this.#paths = paths;
    this.#ofSteps = PathPlace.atAnyDepth(Object.values(paths)); // REDACT-3
  }

  instance(instance: InstanceRead): InstanceRead {
    const { custom_status, input, result } = this.#paths;
    return {
      ...instance,
      customStatus: mask(instance.customStatus, custom_status),
      input: mask(instance.input, input),
      output: mask(instance.output, result),
    };
  }

  entry(entry: HistoryEntry): HistoryEntry {
    const [input, output] = [entry.input, entry.output].map((text) => mask(text, this.#ofSteps));
    return { ...entry, input, output };
  }
}

function mask(text: string | undefined, place: PathPlace): string | undefined {
  if (text === undefined || place.isOutside) return text;
  try {
    return maskJson(text, place);
  } catch {
    return MASK; // REDACT-1
  }
}
