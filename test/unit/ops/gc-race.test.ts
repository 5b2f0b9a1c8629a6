import { expect, test } from 'vitest';
import { openDirectoryRemote } from '../../../remotes/directory.ts';
import { runGcRace } from '../../support/gc-race.ts';

const seconds = Number(process.env.DV_RACE_SECONDS ?? 8);
const seed = process.env.DV_RACE_SEED ?? String(Date.now());

test(`two push, one pulls, one collects garbage: every root is complete (seed ${seed})`, {
  timeout: (seconds + 300) * 1000,
}, async () => {
  const outcome = await runGcRace((folder) => openDirectoryRemote(folder), {
    ...{ seconds, graceMs: Math.min(2000, (seconds * 1000) / 32), seed },
  });
  console.log(JSON.stringify(outcome));
  expect(outcome.incomplete).toEqual([]);
  // Otherwise nothing was tried.
  expect(outcome.pushes).toBeGreaterThan(3);
  expect(outcome.collections).toBeGreaterThan(1);
});
