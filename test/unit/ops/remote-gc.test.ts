import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fetch } from '../../../core/ops/fetch.ts';
import { gc } from '../../../core/ops/gc.ts';
import { push } from '../../../core/ops/push.ts';
import { type RemoteGcOptions, type RemoteGcResult, remoteGc } from '../../../core/ops/remote-gc.ts';
import type { Remote } from '../../../core/store/remote.ts';
import { openRepo, type Repo } from '../../../core/store/repo.ts';
import { openMemoryRemote } from '../../../remotes/memory.ts';
import {
  addAndCommit,
  type Call,
  cloneOf,
  damagedIn,
  dataRepo,
  keysOf,
  noise,
  watched,
} from '../../support/data-world.ts';
import type { TestRepo } from '../../support/repo.ts';

type Values = Map<string, { bytes: Uint8Array; version: string }>;

const collect = (
  world: TestRepo,
  remote: Remote,
  options: Partial<RemoteGcOptions> = {},
): Promise<RemoteGcResult> =>
  remoteGc(world.open(), remote, { apply: true, graceMs: 0, skipBroken: false, env: world.env, ...options });

/** With no grace, the three steps of a collection and one more that finds nothing. */
async function collectAll(world: TestRepo, remote: Remote): Promise<void> {
  for (let step = 0; step < 4; step++) await collect(world, remote);
}

/** A world with `main` and a branch `side` that has data of its own, all pushed. */
async function twoBranches(remote: Remote, size = 2000): Promise<TestRepo> {
  const world = await dataRepo({ 'data/a': noise('a', size) }, ['data']);
  await push(world.open(), remote);
  await world.git('checkout', '--quiet', '-b', 'side');
  world.write('data/b', noise('b', size));
  await addAndCommit(world, ['data'], 'side');
  await push(world.open(), remote);
  await world.git('checkout', '--quiet', 'main');
  await world.dvOk('checkout');
  return world;
}

const dropSide = (world: TestRepo) => world.git('branch', '--quiet', '--delete', '--force', 'side');

/** Whether all of a revision arrives in an empty cache. */
async function arrives(world: TestRepo, remote: Remote, revision: string): Promise<boolean> {
  const repo = openRepo({ cwd: world.root, env: world.env });
  const empty: Repo = {
    ...repo,
    objectsDir: join(world.outside, `empty-${Math.random()}`, 'objects'),
    temporaryDir: join(world.outside, `empty-${Math.random()}`, 'tmp'),
  };
  const { failures, objects } = await fetch(empty, remote, {
    select: { workspace: false, revisions: [revision], all: false },
  });
  return failures.length === 0 && objects > 0 && damagedIn(empty).length === 0;
}

const kindsOf = (keys: readonly string[]) => {
  const count: Record<string, number> = {};
  for (const key of keys) count[key.split('/')[0]!] = (count[key.split('/')[0]!] ?? 0) + 1;
  return count;
};

test('a dropped branch goes in three steps, and what others need stays', async () => {
  const remote = openMemoryRemote();
  await using world = await twoBranches(remote);
  await collectAll(world, remote);
  expect(kindsOf(await keysOf(remote))).toMatchObject({ packs: 2, roots: 4 });
  await dropSide(world);

  const before = await keysOf(remote);
  const dry = await collect(world, remote, { apply: false });
  expect(dry).toMatchObject({ applied: false, roots: { waiting: { keys: 2 }, needed: { keys: 2 } } });
  expect(await keysOf(remote)).toEqual(before);

  expect(await collect(world, remote)).toMatchObject({
    roots: { waiting: { keys: 2 }, removed: { keys: 0 } },
  });
  expect(await collect(world, remote)).toMatchObject({
    roots: { removed: { keys: 2 } },
    data: { waiting: { keys: 1 }, removed: { keys: 0 } },
  });
  expect(await collect(world, remote)).toMatchObject({ data: { removed: { keys: 1 } } });
  expect(await collect(world, remote)).toMatchObject({
    data: { removed: { keys: 0 }, waiting: { keys: 0 } },
  });
  expect(kindsOf(await keysOf(remote))).toEqual({ 'dv.json': 1, idx: 2, packs: 1, roots: 2 });
  expect(await arrives(world, remote, 'main')).toBe(true);
});

test('nothing goes before the grace has passed', async () => {
  const remote = openMemoryRemote();
  await using world = await twoBranches(remote);
  await dropSide(world);
  for (let i = 0; i < 4; i++) await collect(world, remote, { graceMs: 60_000 });
  expect(kindsOf(await keysOf(remote))).toMatchObject({ packs: 2, roots: 4 });
});

test('large files go likewise, and one that is pushed again stays', async () => {
  const remote = openMemoryRemote();
  await using world = await twoBranches(remote, 9 << 20);
  const side = (await world.git('rev-parse', 'side')).trim();
  await dropSide(world);
  await collect(world, remote);
  await collect(world, remote);
  expect(kindsOf(await keysOf(remote))).toMatchObject({ blobs: 2 });
  await world.git('branch', 'side', side);
  await push(world.open(), remote, { select: { workspace: false, revisions: ['side'], all: false } });
  await collectAll(world, remote);
  expect(await arrives(world, remote, 'side')).toBe(true);
  await dropSide(world);
  await collectAll(world, remote);
  expect(kindsOf(await keysOf(remote))).toMatchObject({ blobs: 1 });
});

test('a pusher does not rely on what is condemned', async () => {
  const values: Values = new Map();
  const remote = openMemoryRemote(values);
  await using world = await twoBranches(remote);
  const side = (await world.git('rev-parse', 'side')).trim();
  await dropSide(world);
  await collect(world, remote);
  await collect(world, remote);
  // Condemned, and listed by an idx.
  const again = await push(world.open(), openMemoryRemote(values), {
    select: { workspace: false, revisions: [side], all: false },
  });
  expect(again).toMatchObject({ files: 1, packs: 1 });
  await collectAll(world, remote);
  await collectAll(world, remote);
  // Its ref came late, but in time for its root.
  await world.git('branch', 'side', side);
  await collectAll(world, remote);
});

test('what a remote has condemned it does not confirm to hold: the cache keeps it', async () => {
  const remote = openMemoryRemote();
  await using world = await twoBranches(remote);
  await dropSide(world);
  await world.git('reflog', 'expire', '--expire=now', '--all');
  const local = () =>
    gc(world.open(), {
      ...{ apply: false, olderThanMs: 0, force: false, skipBroken: false, usedBy: undefined, env: world.env },
      remotes: [{ name: 'origin', open: async () => remote }],
    });
  expect(await local()).toMatchObject({ removed: { objects: 2 }, kept: { onlyHere: { objects: 0 } } });
  await collect(world, remote);
  await collect(world, remote);
  expect(await local()).toMatchObject({ removed: { objects: 0 }, kept: { onlyHere: { objects: 2 } } });
});

test('what a ref needs again is spared', async () => {
  const remote = openMemoryRemote();
  await using world = await twoBranches(remote);
  const side = (await world.git('rev-parse', 'side')).trim();
  await dropSide(world);
  await collect(world, remote);
  await collect(world, remote);
  await world.git('branch', 'side', side);
  await collectAll(world, remote);
  expect(await arrives(world, remote, 'side')).toBe(true);
});

test('a pusher that is overtaken by a whole collection sends again what is gone', async () => {
  const values: Values = new Map();
  const remote = openMemoryRemote(values);
  await using world = await twoBranches(remote);
  const side = (await world.git('rev-parse', 'side')).trim();
  await dropSide(world);
  // So that the idx still lists the data, but no root is there.
  for (const key of [...values.keys()]) if (key.startsWith('roots/')) values.delete(key);
  let overtaken = false;
  const slow = watched(openMemoryRemote(values), async ({ name, key }) => {
    if (overtaken || name !== 'put' || !key.startsWith('roots/')) return;
    overtaken = true;
    await collectAll(world, remote);
  });
  const result = await push(world.open(), slow, {
    select: { workspace: false, revisions: [side], all: false },
  });
  expect(overtaken).toBe(true);
  expect(result.packs).toBe(1);
  await world.git('branch', 'side', side);
  expect(await arrives(world, remote, 'side')).toBe(true);
});

test('a root that appears while something is being deleted spares what it names', async () => {
  const values: Values = new Map();
  await using world = await twoBranches(openMemoryRemote(values));
  const side = (await world.git('rev-parse', 'side')).trim();
  const rootsOfSide = [...values].filter(([key]) => key.startsWith('roots/'));
  await dropSide(world);
  const remote = openMemoryRemote(values);
  await collect(world, remote);
  await collect(world, remote);
  let appeared = false;
  const collector = watched(remote, ({ name, key }) => {
    if (name !== 'put' || !key.startsWith('gc/deleting/')) return;
    appeared = true;
    // As if somebody who had read the idx before published them now.
    for (const [each, value] of rootsOfSide) values.set(each, value);
  });
  expect(await collect(world, collector)).toMatchObject({ data: { removed: { keys: 0 } } });
  expect(appeared).toBe(true);
  await world.git('branch', 'side', side);
  expect(await arrives(world, remote, 'side')).toBe(true);
});

test('a pusher waits for a deletion that had begun before its roots were there', async () => {
  const values: Values = new Map();
  const remote = openMemoryRemote(values);
  await using world = await twoBranches(remote);
  const side = (await world.git('rev-parse', 'side')).trim();
  await dropSide(world);
  for (const key of [...values.keys()]) if (key.startsWith('roots/')) values.delete(key);
  const pushed: { done: boolean; result?: Promise<unknown> } = { done: false };
  let asked = 0;
  // The collector is stopped right before its first pack goes; meanwhile the pusher publishes its roots.
  const collector = watched(remote, async ({ name, key }) => {
    if (name !== 'delete' || !key.startsWith('packs/') || asked > 0) return;
    asked++;
    release();
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(pushed.done).toBe(false);
  });
  let release: () => void = () => {};
  const deleting = new Promise<void>((resolve) => {
    release = resolve;
  });
  let started = false;
  const pusher = watched(openMemoryRemote(values), async ({ name, key }) => {
    if (started || name !== 'put' || !key.startsWith('roots/')) return;
    started = true;
    await collect(world, remote);
    pushed.result = collect(world, collector);
    await deleting;
  });
  await push(world.open(), pusher, { select: { workspace: false, revisions: [side], all: false } });
  pushed.done = true;
  await pushed.result;
  expect(asked).toBe(1);
  await world.git('branch', 'side', side);
  expect(await arrives(world, remote, 'side')).toBe(true);
});

test('killed at any write, it ends as if it had not been', { timeout: 240_000 }, async () => {
  const start: Values = new Map();
  await using world = await twoBranches(openMemoryRemote(start));
  await dropSide(world);
  const copy = (values: Values): Values => new Map(values);
  const undisturbed = copy(start);
  let writes = 0;
  const writing = ({ name }: Call) => name === 'put' || name === 'putIfAbsent' || name === 'delete';
  await collectAll(
    world,
    watched(openMemoryRemote(undisturbed), (call) => {
      if (writing(call)) writes++;
    }),
  );
  const clean = (values: Values) => [...values.keys()].filter((key) => !key.startsWith('idx/0')).sort();
  for (let n = 1; n <= writes; n++) {
    const values = copy(start);
    let left = n;
    const killed = watched(openMemoryRemote(values), (call) => {
      // Once dead it writes nothing any more.
      if (left <= 0 || (writing(call) && --left === 0)) throw new Error('killed');
    });
    await collectAll(world, killed).catch((error: Error) => expect(error.message).toBe('killed'));
    // What a killed collector said it deletes is not waited for a quarter of an hour in a test.
    for (const key of [...values.keys()]) if (key.startsWith('gc/deleting/')) values.delete(key);
    for (let step = 0; step < 6; step++) await collect(world, openMemoryRemote(values));
    expect(clean(values)).toEqual(clean(undisturbed));
    expect(await arrives(world, openMemoryRemote(values), 'main')).toBe(true);
  }
  expect(writes).toBeGreaterThan(10);
});

test('branches that only others have count, and a git remote that cannot be fetched stops it', async () => {
  const remote = openMemoryRemote();
  await using world = await twoBranches(remote);
  const bare = join(world.outside, 'bare.git');
  execFileSync('git', ['clone', '--quiet', '--bare', world.root, bare], { env: world.env });
  await world.git('remote', 'add', 'origin', bare);
  await dropSide(world);
  await collectAll(world, remote);
  expect(await arrives(world, remote, 'main')).toBe(true);
  expect(kindsOf(await keysOf(remote))).toMatchObject({ packs: 2, roots: 4 });
  // The user's own refs are as they were.
  expect(await world.git('for-each-ref', '--format=%(refname)')).toBe('refs/heads/main\n');
  rmSync(bare, { recursive: true });
  await expect(collect(world, remote)).rejects.toMatchObject({ code: 'git-failed' });
});

test('a shallow clone does not know what is needed', async () => {
  const remote = openMemoryRemote();
  await using world = await twoBranches(remote);
  const path = join(world.outside, 'shallow');
  execFileSync('git', ['clone', '--quiet', '--depth=1', `file://${world.root}`, path], { env: world.env });
  const shallow = openRepo({ cwd: path, env: world.env });
  await expect(
    remoteGc(shallow, remote, { apply: true, graceMs: 0, skipBroken: false, env: world.env }),
  ).rejects.toMatchObject({ code: 'usage' });
});

test('a clone without data collects as well: listings come from the remote', async () => {
  const remote = openMemoryRemote();
  await using world = await twoBranches(remote);
  const clone = cloneOf(world);
  execFileSync('git', ['-C', world.root, 'branch', '--quiet', '-D', 'side']);
  execFileSync('git', ['-C', clone.root, 'fetch', '--quiet', '--prune']);
  for (let step = 0; step < 4; step++)
    await remoteGc(clone, remote, { apply: true, graceMs: 0, skipBroken: false, env: world.env });
  expect(kindsOf(await keysOf(remote))).toMatchObject({ packs: 1, roots: 2 });
  expect(await arrives(world, remote, 'main')).toBe(true);
});
