import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Pace } from '../../remotes/pace.ts';
import { withRetry } from '../../remotes/retry.ts';

class Busy extends Error {}
const isBusy = (error: unknown) => error instanceof Busy;

/** A server that refuses what is more than it can do at once. */
function server(capacity: number) {
  const state = { capacity, running: 0, most: 0, refused: 0, done: 0 };
  const answer = async () => {
    state.running++;
    state.most = Math.max(state.most, state.running);
    try {
      await sleep(1);
      if (state.running > state.capacity) {
        state.refused++;
        throw new Busy();
      }
      state.done++;
    } finally {
      state.running--;
    }
  };
  return { state, answer };
}

const many = (count: number, pace: Pace, answer: () => Promise<void>) =>
  Promise.all(
    Array.from({ length: count }, () =>
      withRetry(() => pace.run(answer, isBusy), isBusy, {
        policy: { attempts: 100, firstDelayMs: 1, maxDelayMs: 5 },
      }),
    ),
  );

test('it grows while the server keeps up', async () => {
  const pace = new Pace();
  const { state, answer } = server(1000);
  await many(2000, pace, answer);
  expect(state.done).toBe(2000);
  expect(pace.limit).toBeGreaterThan(30);
  expect(state.most).toBeLessThanOrEqual(64);
});

test('a server that is busy gets less, and everything arrives', async () => {
  const pace = new Pace();
  const { state, answer } = server(4);
  await many(1000, pace, answer);
  expect(state.done).toBe(1000);
  expect(pace.limit).toBeLessThanOrEqual(8);
  // Most of what is sent is sent once.
  expect(state.refused).toBeLessThan(400);
});

test('one request always goes through, and a failure gives its place back', async () => {
  const pace = new Pace();
  for (let i = 0; i < 50; i++) {
    await expect(pace.run(() => Promise.reject(new Busy()), isBusy)).rejects.toThrow(Busy);
  }
  expect(pace.limit).toBe(1);
  expect(await pace.run(async () => 'done', isBusy)).toBe('done');
});
