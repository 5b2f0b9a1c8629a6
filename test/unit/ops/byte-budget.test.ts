import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ByteBudget } from '../../../core/ops/transfer/byte-budget.ts';

test('never more bytes than allowed are held, everybody gets theirs, and one that is too large alone', async () => {
  const budget = new ByteBudget(100);
  let held = 0;
  let most = 0;
  let done = 0;
  const sizes = Array.from({ length: 200 }, (_, i) => (i % 20 === 0 ? 500 : 1 + ((i * 37) % 60)));
  await Promise.all(
    sizes.map((bytes) =>
      budget.hold(bytes, async () => {
        const counted = Math.min(bytes, 100);
        held += counted;
        most = Math.max(most, held);
        await sleep(1);
        held -= counted;
        done++;
      }),
    ),
  );
  expect(done).toBe(200);
  expect(most).toBeLessThanOrEqual(100);
  expect(most).toBeGreaterThan(80);
});

test('what fails gives its bytes back, once', async () => {
  const budget = new ByteBudget(10);
  await expect(budget.hold(10, () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
  const release = await budget.take(10);
  release();
  release();
  const first = await budget.take(10);
  let second = false;
  void budget.take(1).then(() => {
    second = true;
  });
  await sleep(5);
  expect(second).toBe(false);
  first();
  await sleep(1);
  expect(second).toBe(true);
});
