import { chmodSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Digest } from '../../../core/model/digest.ts';
import { digestOf } from '../../../core/model/digest.ts';
import { formatPointer } from '../../../core/model/pointer.ts';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import { encodeTree, parseIndex } from '../../../core/model/tree.ts';
import { push } from '../../../core/ops/push.ts';
import { type VerifyOptions, verify } from '../../../core/ops/verify.ts';
import { objectPath, readObject } from '../../../core/store/cache.ts';
import { CacheWriter } from '../../../core/store/cache-writer.ts';
import type { Repo } from '../../../core/store/repo.ts';
import { readPointer } from '../../../core/store/tracked.ts';
import { openMemoryRemote } from '../../../remotes/memory.ts';
import { addAndCommit, damagedIn, dataRepo, noise } from '../../support/data-world.ts';
import { type TestRepo, testRepo } from '../../support/repo.ts';

/** Turns one bit of an object over. */
function flip(repo: Repo, digest: Digest, at = 0): void {
  const path = objectPath(repo, digest);
  const bytes = readFileSync(path);
  bytes[at] = bytes[at]! ^ 1;
  chmodSync(path, 0o644);
  writeFileSync(path, bytes);
  chmodSync(path, 0o444);
}

const look = (world: TestRepo, options: Partial<VerifyOptions> = {}) =>
  verify(world.open(), { all: false, repair: false, remotes: [], ...options });

const origin = (remote: ReturnType<typeof openMemoryRemote>) => [
  { name: 'origin', open: async () => remote },
];

test('a flipped bit is never checked out, is named, and healed from a remote: as a user does it', async () => {
  await using world = await dataRepo({ 'data/a.png': noise('a', 3000), 'data/b.png': noise('b', 3000) }, [
    'data',
  ]);
  const remote = join(world.outside, 'remote');
  await world.dvOk('remote', 'add', 'origin', remote);
  await world.commit('remote');
  await world.dvOk('push');
  flip(world.open(), digestOf(noise('a', 3000)), 1000);
  rmSync(join(world.root, 'data'), { recursive: true });

  const checkout = await world.dv('checkout');
  expect(checkout.status).toBe(3);
  expect(`${checkout.stdout}${checkout.stderr}`).toContain('dv verify --repair');
  expect(world.exists('data/a.png')).toBe(false);
  expect(world.exists('data/b.png')).toBe(true);

  const named = await world.dv('verify');
  expect({ ...named, stdout: named.stdout.replaceAll(/[0-9a-f]{8}…/g, '<8 hex>…') }).toMatchInlineSnapshot(`
    {
      "status": 3,
      "stderr": "",
      "stdout": "  damaged     data/a.png  (sha256:<8 hex>…)
    checked 3 objects (6.2 kB): 1 bad
    dv verify --repair heals from the workspace or a remote
    ",
    }
  `);
  const repaired = await world.dv('verify', '--repair');
  expect({
    ...repaired,
    stdout: repaired.stdout.replaceAll(/[0-9a-f]{8}…/g, '<8 hex>…').replaceAll(world.outside, '<outside>'),
  }).toMatchInlineSnapshot(`
    {
      "status": 0,
      "stderr": "",
      "stdout": "  damaged     data/a.png  (sha256:<8 hex>…), healed from <outside>/remote
    checked 3 objects (6.2 kB): 1 healed
    ",
    }
  `);
  expect(damagedIn(world.open())).toEqual([]);
  await world.dvOk('checkout');
  expect(world.readBytes('data/a.png').equals(noise('a', 3000))).toBe(true);
  expect((await world.dvOk('verify', '--json')).stdout).toContain('"bad":[]');
});

test('the workspace heals what it has, files and listings', async () => {
  await using world = await dataRepo({ 'data/a': 'aaa', 'data/b': 'bbb', 'one.bin': 'one' }, [
    'data',
    'one.bin',
  ]);
  const repo = world.open();
  const tree = readPointer(repo, 'data')!.digest;
  flip(repo, tree, 30);
  flip(repo, digestOf('aaa'));
  rmSync(objectPath(repo, digestOf('one')));
  world.write('data/b', 'edited');
  const found = await look(world);
  expect(found.bad.map(({ problem, paths }) => [problem, paths])).toEqual([
    ['damaged', ['data']],
    ['missing', ['one.bin']],
  ]);
  // Edited, so its listing is another: only from a remote could it come back.
  expect(
    (await look(world, { repair: true })).bad.filter((bad) => bad.healedFrom === undefined),
  ).toHaveLength(1);
  world.write('data/b', 'bbb');
  const healed = await look(world, { repair: true });
  expect(healed.bad.map(({ problem, paths, healedFrom }) => [problem, paths, healedFrom])).toEqual([
    ['damaged', ['data'], 'workspace'],
    ['damaged', ['data/a'], 'workspace'],
  ]);
  expect(damagedIn(repo)).toEqual([]);
  expect((await look(world)).bad).toEqual([]);
});

test('a file that shares its bytes with the damaged object heals nothing', async () => {
  await using world = await dataRepo({ 'data/a': 'aaa' }, ['data']);
  const repo = world.open();
  rmSync(join(world.root, 'data/a'));
  linkSync(objectPath(repo, digestOf('aaa')), join(world.root, 'data/a'));
  flip(repo, digestOf('aaa'));
  const { bad } = await look(world, { repair: true });
  expect(bad).toMatchObject([{ problem: 'damaged', paths: ['data/a'] }]);
  expect(bad[0]!.healedFrom).toBeUndefined();
  // What could not be healed stays, to be named again.
  expect(damagedIn(repo)).toHaveLength(1);
});

test('a long listing whose leaf is damaged: the others are checked, and the leaf comes from the remote', async () => {
  await using world = await testRepo({});
  const repo = world.open();
  // Only the cache is filled, and most files are the same: what counts is how long the listing is.
  const writer = new CacheWriter(repo);
  const entries = Array.from({ length: 40_000 }, (_, i) => {
    const content = i === 0 ? 'first' : i === 39_999 ? 'last' : 'same';
    const path = String(i).padStart(5, '0') as RepoPath;
    return { path, digest: writer.put(Buffer.from(content)), sizeBytes: content.length, mode: '-' as const };
  });
  const encoded = await encodeTree(entries);
  for (const object of encoded.objects) writer.add(object.digest, object.bytes);
  await writer.commit();
  world.write('data.dv', formatPointer({ kind: 'tree', ...encoded }));
  const remote = openMemoryRemote();
  await push(repo, remote);
  const tree = readPointer(repo, 'data')!.digest;
  const leaves = parseIndex(readObject(repo, tree), 'tree')!;
  expect(leaves.length).toBeGreaterThan(1);
  flip(repo, leaves[0]!.digest, 500);
  flip(repo, digestOf('first'));
  flip(repo, digestOf('last'));
  const named = await look(world);
  expect(named.bad.map(({ paths }) => paths)).toEqual([['data'], ['data/39999']]);
  const healed = await look(world, { repair: true, remotes: origin(remote) });
  expect(healed.bad.map(({ paths, healedFrom }) => [paths, healedFrom])).toEqual([
    [['data'], 'memory://'],
    [['data/39999'], 'memory://'],
    [['data/00000'], 'memory://'],
  ]);
  expect(damagedIn(repo)).toEqual([]);
});

test('by default only what the workspace uses is read; --all reads the rest', async () => {
  await using world = await dataRepo({ 'data/a': 'before' }, ['data']);
  world.write('data/a', 'after');
  await addAndCommit(world, ['data'], 'after');
  const repo = world.open();
  flip(repo, digestOf('before'));
  expect((await look(world)).bad).toEqual([]);
  expect((await look(world, { all: true })).bad).toMatchObject([{ problem: 'damaged', paths: [] }]);
  expect(await look(world, { paths: ['data/a' as RepoPath] })).toMatchObject({ objects: 2, bad: [] });
});

test('what was never fetched is missing: exit 12; Ctrl-C ends it', async () => {
  await using world = await dataRepo({ 'data/a': 'a', 'data/b': 'b' }, ['data']);
  rmSync(objectPath(world.open(), digestOf('a')));
  rmSync(join(world.root, 'data'), { recursive: true });
  const outcome = await world.dv('verify', '--repair');
  expect(outcome.status).toBe(12);
  expect(outcome.stdout).toContain('missing     data/a');
  const signal = AbortSignal.abort(new Error('stop'));
  await expect(look(world, { signal })).rejects.toThrow('stop');
});
