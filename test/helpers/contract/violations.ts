/** What was received and is not as described, since the last test of this file. */
export const violations: string[] = [];
