/** How many questions stand one behind the other: what a transfer costs where each takes its time. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { fetch } from '../../../core/ops/fetch.ts';
import { push } from '../../../core/ops/push.ts';
import type { Remote } from '../../../core/store/remote.ts';
import { openMemoryRemote } from '../../../remotes/memory.ts';
import { addAndCommit, cloneOf, dataRepo, noise, reopen, watched } from '../../support/data-world.ts';

/** A remote whose answers take their time, and how many times that passed with questions open. */
function distant(remote: Remote): { remote: Remote; trips: () => number } {
  const answerMs = 60;
  const rounds: { start: number; end: number }[] = [];
  return {
    remote: watched(remote, async () => {
      const start = performance.now();
      await sleep(answerMs);
      rounds.push({ start, end: performance.now() });
    }),
    // A question that was put before another's answer came did not wait for it.
    trips() {
      let trips = 0;
      let end = 0;
      for (const round of rounds.toSorted((a, b) => a.start - b.start)) {
        if (round.start < end) continue;
        trips++;
        end = round.end;
      }
      return trips;
    },
  };
}

const files = Object.fromEntries(
  Array.from({ length: 200 }, (_, i) => [`data/${i % 5}/${i}.png`, noise(i, 1000)]),
);

test('a first push takes seven round trips, a change six and seven requests, a push again one', async () => {
  await using world = await dataRepo(files, ['data']);
  const inner = openMemoryRemote();
  const first = distant(inner);
  // Is the snapshot there; who are you and what do you list; pack; idx; root of the tree; root of the snapshot. The
  // first push of all also makes dv.json, while packs are made: here, where that takes no time, it is one more.
  await push(world.open(), first.remote);
  expect(first.trips()).toBeLessThanOrEqual(7);
  world.write('data/0/0.png', noise('new', 1000));
  await addAndCommit(world, ['data'], 'change');
  const change = distant(inner);
  expect((await push(world.open(), change.remote)).requests).toBeLessThanOrEqual(7);
  expect(change.trips()).toBeLessThanOrEqual(6);
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
