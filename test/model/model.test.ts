/**
 * Random sequences of what users do, against a simple model of what every branch's files must be. A short run is part
 * of `npm test`, a long one of `npm run test:long`. DV_MODEL_SEED repeats a run, DV_MODEL_OPERATIONS sets its length.
 */
import { expect, test } from 'vitest';
import { damagedIn } from '../support/data-world.ts';
import { testRepo } from '../support/repo.ts';
import { Model } from './model.ts';
import { operations } from './operations.ts';
import { Chance, names, type Run } from './run.ts';
import { World } from './world.ts';

const long = process.env.DV_TEST_LONG !== undefined;
const count = Number(process.env.DV_MODEL_OPERATIONS ?? (long ? 2000 : 150));
const seed = Number(process.env.DV_MODEL_SEED ?? Math.floor(Math.random() * 1e9));

/** Picks an operation by weight. */
function choose(chance: Chance) {
  let at = chance.below(operations.reduce((sum, [, weight]) => sum + weight, 0));
  for (const [operation, weight] of operations) {
    if (at < weight) return operation;
    at -= weight;
  }
  throw new Error('weights do not add up');
}

async function play(run: Run, steps: number): Promise<void> {
  const history: string[] = [];
  const { model, world } = run;
  const check = async (found: string[]) => {
    if (found.length > 0) throw new Error(found.join('\n'));
  };
  try {
    for (let step = 0; step < steps; ) {
      const operation = choose(run.chance)(run);
      if (operation === undefined) continue;
      history.push(`${step++} [${model.branch}] ${operation.words}`);
      await operation.do();
      await check(await world.differences(model, names));
      if (step % 7 === 0) await check(await world.statusDifferences(model));
    }
    history.push('every branch in turn');
    await world.gitOk('stash', 'clear');
    await world.gitOk('reset', '--quiet', '--hard');
    for (const [branch, commit] of model.branches) {
      await world.gitOk('checkout', '--quiet', branch);
      model.pointers = new Map(model.commits.get(commit)!);
      await world.follow(true);
      model.branch = branch;
      model.follow({ complete: true });
      await check(await world.differences(model, names));
    }
    expect(damagedIn(world.open())).toEqual([]);
  } catch (error) {
    throw new Error(`after\n  ${history.join('\n  ')}\n(DV_MODEL_SEED=${seed})\n${(error as Error).stack}`, {
      cause: error,
    });
  }
}

test.each([
  ['bytes are stored at once', false, 0.7],
  ['bytes may come later', true, 0.3],
] as const)('%s: every branch’s files are what the model says', async (_, withoutBytes, share) => {
  await using repo = await testRepo({ 'code.txt': 'code' }, { init: true });
  const world = new World(repo);
  const model = new Model();
  await world.gitOk('add', '--all');
  await world.gitOk('commit', '--quiet', '--allow-empty', '--message', 'start');
  model.commit((await world.gitOk('rev-parse', 'HEAD')).trim());
  const steps = Math.ceil(count * share);
  const chance = new Chance(seed + (withoutBytes ? 1 : 0));
  const unpackLimit = chance.pick(['1', '3', 'off'])!;
  await world.gitOk('config', 'dv.cache.unpackLimit', unpackLimit);
  await world.gitOk('config', 'dv.cache.link', 'copy');
  await play({ model, world, chance, contents: 0, withoutBytes }, steps);
  console.log(`seed ${seed}: ${steps} operations, dv.cache.unpackLimit ${unpackLimit}, no difference`);
});
