import { expect, test } from 'vitest';
import { digestOf, hexOf } from '../../../core/model/digest.ts';
import { fetch } from '../../../core/ops/fetch.ts';
import { push } from '../../../core/ops/push.ts';
import { type VerifyRemoteOptions, verifyRemote } from '../../../core/ops/verify-remote.ts';
import { openMemoryRemote } from '../../../remotes/memory.ts';
import { addAndCommit, cloneOf, damagedIn, dataRepo, noise } from '../../support/data-world.ts';
import type { TestRepo } from '../../support/repo.ts';

type Values = Map<string, { bytes: Uint8Array; version: string }>;

async function pushedWorld(values: Values): Promise<TestRepo> {
  const world = await dataRepo(
    {
      ...Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`data/${i}.png`, noise(i, 1000)])),
      'one.bin': noise('one', 500),
      'big.bin': noise('big', 9 << 20),
    },
    ['data', 'one.bin', 'big.bin'],
  );
  await push(world.open(), openMemoryRemote(values));
  return world;
}

const look = (world: TestRepo, values: Values, options: Partial<VerifyRemoteOptions> = {}) =>
  verifyRemote(world.open(), openMemoryRemote(values), { deep: false, repair: false, ...options });

const keyIn = (values: Values, prefix: string) => [...values.keys()].find((key) => key.startsWith(prefix))!;

function flip(values: Values, key: string, at: number): void {
  const bytes = Uint8Array.from(values.get(key)!.bytes);
  bytes[at] = bytes[at]! ^ 1;
  values.set(key, { bytes, version: `flipped ${Math.random()}` });
}

async function expectWhole(world: TestRepo, values: Values): Promise<void> {
  expect((await look(world, values, { deep: true })).problems).toEqual([]);
  const clone = cloneOf(world, `clone-${Math.random()}`);
  expect((await fetch(clone, openMemoryRemote(values))).failures).toEqual([]);
  expect(damagedIn(clone)).toEqual([]);
}

test('a whole remote has no problems', async () => {
  const values: Values = new Map();
  await using world = await pushedWorld(values);
  expect(await look(world, values)).toMatchObject({ objects: 33, problems: [], open: [] });
  await expectWhole(world, values);
});

test('a pack that is gone or cut is named with what needs it, and put again', async () => {
  for (const damage of ['gone', 'cut']) {
    const values: Values = new Map();
    await using world = await pushedWorld(values);
    const key = keyIn(values, 'packs/');
    if (damage === 'gone') values.delete(key);
    else values.set(key, { bytes: values.get(key)!.bytes.slice(0, 900), version: 'cut' });
    const { problems } = await look(world, values);
    const pack = problems.find((problem) => problem.key === key)!;
    expect(pack.problem).toBe(damage === 'gone' ? 'missing' : 'damaged');
    expect(pack.paths).toContain('data/7.png');
    // Roots name the pack, too.
    expect(problems.filter((problem) => problem.key?.startsWith('roots/')).length).toBeGreaterThan(0);
    expect(await look(world, values, { repair: true })).toMatchObject({ open: [] });
    await expectWhole(world, values);
  }
});

test('flipped bits in a pack and in a large file are found by --deep alone, and healed', async () => {
  const values: Values = new Map();
  await using world = await pushedWorld(values);
  flip(values, keyIn(values, 'packs/'), 700);
  flip(values, keyIn(values, 'blobs/'), 5_000_000);
  expect((await look(world, values)).problems).toEqual([]);
  const { problems } = await look(world, values, { deep: true });
  expect(problems.map(({ problem }) => problem)).toEqual(['damaged', 'damaged']);
  expect(problems.flatMap(({ paths }) => paths)).toContain('big.bin');
  expect(await look(world, values, { deep: true, repair: true })).toMatchObject({ open: [] });
  await expectWhole(world, values);
});

test('damaged and lost roots and idx files are named and written again', async () => {
  const values: Values = new Map();
  await using world = await pushedWorld(values);
  const roots = [...values.keys()].filter((key) => key.startsWith('roots/'));
  flip(values, roots[0]!, 60);
  values.delete(roots[1]!);
  flip(values, keyIn(values, 'idx/'), 100);
  const { problems } = await look(world, values);
  expect(problems.map(({ key }) => key?.split('/')[0])).toEqual(expect.arrayContaining(['roots', 'idx']));
  expect(await look(world, values, { repair: true })).toMatchObject({ open: [] });
  await expectWhole(world, values);
});

test('what the cache does not have stays named; the rest is healed', async () => {
  const values: Values = new Map();
  await using world = await pushedWorld(values);
  const clone = cloneOf(world);
  const blob = keyIn(values, 'blobs/');
  values.delete(blob);
  const outcome = await verifyRemote(clone, openMemoryRemote(values), { deep: false, repair: true });
  expect(outcome.open.map(({ digest, problem }) => [digest, problem])).toContainEqual([
    digestOf(noise('big', 9 << 20)),
    'missing',
  ]);
  expect(blob).toContain(hexOf(digestOf(noise('big', 9 << 20))));
  // Where the data is, it is put again.
  expect(await look(world, values, { repair: true })).toMatchObject({ open: [] });
  await expectWhole(world, values);
});

test('--all looks at all branches', async () => {
  const values: Values = new Map();
  await using world = await pushedWorld(values);
  await world.git('checkout', '--quiet', '-b', 'side');
  world.write('data/side.png', noise('side', 100));
  await addAndCommit(world, ['data'], 'side');
  await world.git('checkout', '--quiet', 'main');
  await world.dvOk('checkout');
  expect((await look(world, values)).problems).toEqual([]);
  const select = { workspace: true, revisions: [], all: true };
  expect((await look(world, values, { select })).problems.flatMap(({ paths }) => paths)).toContain(
    'data/side.png',
  );
});

test('as a user does it', async () => {
  await using world = await dataRepo({ 'data/a': 'a' }, ['data']);
  await world.dvOk('remote', 'add', 'origin', `${world.outside}/remote`);
  await world.commit('remote');
  expect((await world.dv('verify', '--remote')).status).toBe(12);
  await world.dvOk('push');
  expect((await world.dvOk('verify', '--remote', '--deep')).stdout).toContain('all are whole');
  await world.run('rm', ['-r', `${world.outside}/remote/packs`]);
  const broken = await world.dv('verify', '--remote');
  expect([broken.status, broken.stdout]).toEqual([3, expect.stringContaining('used by data')]);
  expect((await world.dvOk('verify', '--remote', '--repair')).stdout).toContain('healed from the cache');
  await world.dvOk('verify', '--remote', '--deep');
});
