/** How many questions stand one behind the other: what a transfer costs where each takes its time. */
import { expect, test } from 'vitest';
import { fetch } from '../../../core/ops/fetch.ts';
import { push } from '../../../core/ops/push.ts';
import type { Remote } from '../../../core/store/remote.ts';
import { openMemoryRemote } from '../../../remotes/memory.ts';
import { addAndCommit, cloneOf, dataRepo, noise, reopen, watched } from '../../support/data-world.ts';

/**
 * A remote that answers in rounds: what is asked together is answered together, once nothing more is asked for a
 * while. However slow the machine, a question that waits for an answer comes in a later round.
 */
function distant(remote: Remote): { remote: Remote; trips: () => number } {
  const quietMs = 20;
  const asked: (() => void)[] = [];
  let trips = 0;
  let timer: NodeJS.Timeout | undefined;
  const answer = () => {
    trips++;
    for (const resolve of asked.splice(0)) resolve();
  };
  return {
    remote: watched(remote, () => {
      clearTimeout(timer);
      timer = setTimeout(answer, quietMs);
      return new Promise<void>((resolve) => {
        asked.push(resolve);
      });
    }),
    trips: () => trips,
  };
}

const files = Object.fromEntries(
  Array.from({ length: 200 }, (_, i) => [`data/${i % 5}/${i}.png`, noise(i, 1000)]),
);

test('a first push takes eight round trips, a change seven and eight requests, a push again one', async () => {
  await using world = await dataRepo(files, ['data']);
  const inner = openMemoryRemote();
  const first = distant(inner);
  // Is the snapshot there; who are you and what do you list; pack; idx; root of the tree; root of the snapshot; was
  // garbage collected meanwhile. The first push of all also makes dv.json, while packs are made.
  await push(world.open(), first.remote);
  expect(first.trips()).toBeLessThanOrEqual(8);
  world.write('data/0/0.png', noise('new', 1000));
  await addAndCommit(world, ['data'], 'change');
  const change = distant(inner);
  expect((await push(world.open(), change.remote)).requests).toBeLessThanOrEqual(8);
  expect(change.trips()).toBeLessThanOrEqual(7);
  expect(await push(world.open(), inner)).toMatchObject({ requests: 1 });
});

test('a fetch takes three round trips, the first and a later one', async () => {
  await using world = await dataRepo(files, ['data']);
  const inner = openMemoryRemote();
  await push(world.open(), inner);
  const clone = cloneOf(world);
  // Roots, who you are, and run cache entries; listings; data.
  const first = distant(inner);
  expect(await fetch(clone, first.remote)).toMatchObject({ files: 200 });
  expect(first.trips()).toBeLessThanOrEqual(3);
  world.write('data/0/0.png', noise('new', 1000));
  await addAndCommit(world, ['data'], 'change');
  await push(world.open(), inner);
  await world.git('-C', clone.root, 'pull', '--quiet');
  const later = distant(inner);
  expect(await fetch(reopen(clone, world), later.remote)).toMatchObject({ files: 1 });
  expect(later.trips()).toBeLessThanOrEqual(3);
});
