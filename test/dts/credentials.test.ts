import { expect, test, vi } from "vitest";
import { cacheToken } from "../../src/dts/connection/credentials.ts";

const MINUTE_MS = 60_000;

/** An issuer of tokens that sets how long each is valid, and counts the requests. */
function issuer({ livesMs = 60 * MINUTE_MS, refreshAfterMs = undefined as number | undefined }) {
  const state = { issued: 0, failing: false };
  const source = cacheToken(async () => {
    state.issued += 1;
    const number = state.issued;
    await Promise.resolve();
    if (state.failing) throw new Error("the issuer is away");
    return {
      token: `token ${number}`,
      expiresOnTimestamp: Date.now() + livesMs,
      ...(refreshAfterMs !== undefined && { refreshAfterTimestamp: Date.now() + refreshAfterMs }),
    };
  });
  return { state, source };
}

test("one renewal serves all callers that wait for it, and later ones", async () => {
  const { state, source } = issuer({});
  const tokens = await Promise.all(Array.from({ length: 50 }, () => source()));
  expect(new Set([...tokens, await source()])).toEqual(new Set(["token 1"]));
  expect(state.issued).toBe(1);
});

test("a token is renewed once less than five minutes of it are left", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  try {
    const { source } = issuer({ livesMs: 60 * MINUTE_MS });
    expect(await source()).toBe("token 1");
    vi.advanceTimersByTime(55 * MINUTE_MS - 1);
    expect(await source()).toBe("token 1");
    vi.advanceTimersByTime(1);
    expect(await source()).toBe("token 2");
  } finally {
    vi.useRealTimers();
  }
});

test("a token is renewed five minutes before the time that its issuer advises", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  try {
    const { source } = issuer({ livesMs: 60 * MINUTE_MS, refreshAfterMs: 30 * MINUTE_MS });
    await source();
    vi.advanceTimersByTime(25 * MINUTE_MS - 1);
    expect(await source()).toBe("token 1");
    vi.advanceTimersByTime(1);
    expect(await source()).toBe("token 2");
  } finally {
    vi.useRealTimers();
  }
});

test("a token is renewed in time although the clock of this machine is set back", async () => {
  vi.useFakeTimers({ toFake: ["Date", "performance"] });
  try {
    const { source } = issuer({ livesMs: 60 * MINUTE_MS });
    expect(await source()).toBe("token 1");
    vi.advanceTimersByTime(55 * MINUTE_MS);
    vi.setSystemTime(Date.now() - 60 * MINUTE_MS);
    expect(await source()).toBe("token 2");
  } finally {
    vi.useRealTimers();
  }
});

test("a token that is valid for less than five minutes is still used", async () => {
  const { source } = issuer({ livesMs: MINUTE_MS });
  expect(await source()).toBe("token 1");
});

test("a failed renewal fails all waiting callers, and the next call tries again", async () => {
  const { state, source } = issuer({});
  state.failing = true;
  const outcomes = await Promise.allSettled([source(), source()]);
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(state.issued).toBe(1);
  state.failing = false;
  expect(await source()).toBe("token 2");
});

test("an old token is not used where its renewal fails", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  try {
    const { state, source } = issuer({ livesMs: 10 * MINUTE_MS });
    await source();
    state.failing = true;
    vi.advanceTimersByTime(6 * MINUTE_MS);
    await expect(source()).rejects.toThrow("the issuer is away");
  } finally {
    vi.useRealTimers();
  }
});
