import { expect, test } from 'vitest';
import { mapOrdered } from '../../../core/steps/map-ordered.ts';

const never = new AbortController().signal;

async function collect<Item>(source: AsyncIterable<Item>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of source) items.push(item);
  return items;
}

test('results come in the order of the items, whichever is done first', async () => {
  const release: (() => void)[] = [];
  let started = 0;
  let most = 0;
  let underWay = 0;
  const collected = collect(
    mapOrdered([0, 1, 2, 3, 4], { atOnce: 3, signal: never }, async (item) => {
      started++;
      most = Math.max(most, ++underWay);
      await new Promise<void>((resolve) => {
        release[item] = resolve;
      });
      underWay--;
      return item * 10;
    }),
  );
  for (const item of [2, 1, 0, 4, 3]) {
    while (!release[item]) await new Promise(setImmediate);
    release[item]();
  }
  expect(await collected).toEqual([0, 10, 20, 30, 40]);
  expect({ started, most }).toEqual({ started: 5, most: 3 });
});

test('a failure comes in its turn, and nothing is started after it', async () => {
  const started: number[] = [];
  const results: number[] = [];
  const work = async () => {
    for await (const item of mapOrdered([0, 1, 2, 3, 4, 5], { atOnce: 2, signal: never }, async (item) => {
      started.push(item);
      if (item === 2) throw new Error('two');
      return item;
    }))
      results.push(item);
  };
  await expect(work()).rejects.toThrow('two');
  expect(results).toEqual([0, 1]);
  expect(started).not.toContain(5);
});

test('an abort stops before the next item', async () => {
  const controller = new AbortController();
  const work = async () => {
    for await (const item of mapOrdered(
      [0, 1, 2, 3],
      { atOnce: 1, signal: controller.signal },
      async (i) => i,
    ))
      if (item === 1) controller.abort(new Error('stopped'));
  };
  await expect(work()).rejects.toThrow('stopped');
});
