import { expect } from "vitest";

/** A problem document as a client finds it. */
export interface ReceivedProblem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly [member: string]: unknown;
}

/** What a stack trace, a path of this machine or a library's own error would show. */
const LEAK = /\bat \S+ \(|\.(ts|js|mjs)\b|node_modules|node:|file:|FST_|\bgrpc\b|Error:/i;

const PROBLEM_TYPE = /^application\/problem\+json(; charset=utf-8)?$/;

/** Reads an answer as the problem that it must be. `what` names the request if it is not. */
export async function problemOf(
  response: Response,
  status: number,
  slug: string,
  what = "",
): Promise<ReceivedProblem> {
  const text = await response.text();
  const about = `${what} → ${response.status} ${text.slice(0, 300)}`;
  expect(response.status, about).toBe(status);
  expect(response.headers.get("content-type"), about).toMatch(PROBLEM_TYPE);
  return checkProblem(text, status, slug, about);
}

/** Checks the body of a problem, however it arrived. */
export function checkProblem(
  text: string,
  status: number,
  slug: string,
  what = "",
): ReceivedProblem {
  const problem = JSON.parse(text) as ReceivedProblem;
  expect(problem, what).toMatchObject({
    type: `urn:dts-push:problem:${slug}`,
    title: expect.stringMatching(/^[A-Z]/),
    status,
    detail: expect.stringMatching(/^\S/),
  });
  expect(text, what).not.toMatch(LEAK);
  return problem;
}
