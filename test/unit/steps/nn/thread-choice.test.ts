import { expect, test } from 'vitest';
import { ThreadChoice } from '../../../../core/steps/nn/thread-choice.ts';

/** Runs steps that take `times[threads]` milliseconds; gives the number of threads each ran on. */
function threadsOf(steps: number, times: (step: number, threads: number) => number): number[] {
  let clock = 0;
  let threads = 4;
  const choice = new ThreadChoice(
    4,
    (count) => {
      threads = count;
    },
    () => clock,
  );
  return Array.from({ length: steps }, (_, step) =>
    choice.run(() => {
      clock += times(step, threads);
      return threads;
    }),
  );
}

test('tries all threads and one, then keeps the faster', () => {
  const free = threadsOf(20, (_, threads) => 100 / threads);
  expect(free.slice(0, 6)).toEqual([4, 1, 4, 1, 4, 1]);
  expect(new Set(free.slice(6))).toEqual(new Set([4]));
  const busy = threadsOf(20, (_, threads) => 100 * threads);
  expect(new Set(busy.slice(6))).toEqual(new Set([1]));
});

test('one slow step among the trials does not decide', () => {
  const used = threadsOf(20, (step, threads) => (step === 0 ? 1000 : 100 / threads));
  expect(new Set(used.slice(6))).toEqual(new Set([4]));
});

test('tries again after a while', () => {
  // Another program takes the processor from step 50 on.
  const used = threadsOf(300, (step, threads) => (step < 50 ? 100 / threads : 100 * threads));
  expect(new Set(used.slice(6, 126))).toEqual(new Set([4]));
  expect(used.slice(126, 132)).toEqual([4, 1, 4, 1, 4, 1]);
  expect(new Set(used.slice(132, 252))).toEqual(new Set([1]));
});

test('with one thread there is nothing to choose', () => {
  const choice = new ThreadChoice(1, () => expect.unreachable());
  expect(Array.from({ length: 10 }, (_, i) => choice.run(() => i))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});
