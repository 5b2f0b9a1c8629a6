/** What any server is for, whichever kind it is: data goes there and comes back, also while others clean up. */
import { expect, test } from 'vitest';
import { fetch } from '../../core/ops/fetch.ts';
import { push } from '../../core/ops/push.ts';
import type { Remote } from '../../core/store/remote.ts';
import { addAndCommit, cloneOf, damagedIn, dataRepo, noise } from '../support/data-world.ts';
import { runGcRace } from '../support/gc-race.ts';

/**
 * Tests of a server's use.
 * @param open opens a remote in a bucket.
 */
export function testUse(newBucket: () => Promise<string>, open: (bucket: string) => Remote): void {
  test('what is pushed comes back, again is one request, a change is small', async () => {
    const files = Object.fromEntries(
      Array.from({ length: 300 }, (_, i) => [`data/${i % 7}/${i}.png`, noise(i, 3000)]),
    );
    await using world = await dataRepo({ ...files, 'big.bin': noise('big', 20 << 20) }, ['data', 'big.bin']);
    const remote = open(await newBucket());
    expect(await push(world.open(), remote)).toMatchObject({ files: 301, upToDate: false });
    expect(await push(world.open(), remote)).toMatchObject({ requests: 1, upToDate: true });
    const clone = cloneOf(world);
    expect(await fetch(clone, remote)).toMatchObject({ files: 301, failures: [] });
    expect(damagedIn(clone)).toEqual([]);
    world.write('data/new.png', noise('new', 3000));
    await addAndCommit(world, ['data'], 'more');
    expect(await push(world.open(), remote)).toMatchObject({ files: 1 });
    await remote.close();
  });

  const raceSeconds = Number(process.env.DV_RACE_SECONDS ?? 60);
  test('two push, one pulls, one collects garbage: every root is complete', {
    timeout: (raceSeconds + 600) * 1000,
  }, async () => {
    const bucket = await newBucket();
    const seed = process.env.DV_RACE_SEED ?? String(Date.now());
    const outcome = await runGcRace(() => open(bucket), { seconds: raceSeconds, graceMs: 2000, seed });
    console.log(JSON.stringify({ seed, ...outcome }));
    expect(outcome.incomplete).toEqual([]);
    expect(outcome.packsDeleted).toBeGreaterThan(0);
  });
}
