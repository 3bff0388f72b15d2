import type { Operation } from "./operation.ts";

/**
 * Whether a state shows a change that was announced; `undefined` stands for no such operation. Without
 * such a test any change is taken for it.
 */
export type IsShown = (operation: Operation | undefined) => boolean;

/** It was started. */
export const isStarted: IsShown = (operation) => operation !== undefined;

/** It has ended, or is gone. */
export const isEnded: IsShown = (operation) => operation?.terminal ?? true;
