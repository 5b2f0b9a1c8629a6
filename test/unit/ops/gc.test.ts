import {
  chmodSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DvError } from '../../../core/errors.ts';
import { type Digest, digestOf, hexOf } from '../../../core/model/digest.ts';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import { add } from '../../../core/ops/add.ts';
import { removeObjects, returnAside } from '../../../core/ops/gc/sweep.ts';
import { push } from '../../../core/ops/push.ts';
import { writeRun } from '../../../core/pipeline/run-cache.ts';
import { hasObject, holdsObject, objectPath, objectSize } from '../../../core/store/cache.ts';
import { CacheWriter } from '../../../core/store/cache-writer.ts';
import { takeLock } from '../../../core/store/lock.ts';
import { openRepo, type Repo } from '../../../core/store/repo.ts';
import { readPointer } from '../../../core/store/tracked.ts';
import { openMemoryRemote } from '../../../remotes/memory.ts';
import { collectGarbage as collect } from '../../support/collect-garbage.ts';
import { addAndCommit, dataRepo, noise, objectCount, watched } from '../../support/data-world.ts';
import { type TestRepo, testRepo } from '../../support/repo.ts';

/** Puts an object into the cache that nothing names. */
async function stray(repo: Repo, content: string): Promise<Digest> {
  const writer = new CacheWriter(repo);
  const digest = writer.put(Buffer.from(content));
  await writer.commit();
  return digest;
}

const dayMs = 86_400_000;
const age = (repo: Repo, digest: Digest, days: number) => {
  const then = (Date.now() - days * dayMs) / 1000;
  utimesSync(objectPath(repo, digest), then, then);
};

/** Records one file as data, and gives its digest. */
async function record(world: TestRepo, path: string, content: string): Promise<Digest> {
  world.write(path, content);
  await add(world.open(), [path as RepoPath]);
  return digestOf(content);
}

async function isKept(world: TestRepo, digest: Digest): Promise<boolean> {
  const other = await stray(world.open(), `unneeded ${Math.random()}`);
  await collect(world);
  // A gc that removes nothing proves nothing.
  expect(hasObject(world.open(), other)).toBe(false);
  return hasObject(world.open(), digest);
}

/** Makes the workspace and index of a world name nothing of `path` any more. */
async function forget(world: TestRepo, path: string): Promise<void> {
  await world.git('rm', '--quiet', '--cached', '--ignore-unmatch', `${path}.dv`);
  for (const each of [path, `${path}.dv`]) if (world.exists(each)) world.remove(each);
  rmSync(world.open().indexDir, { recursive: true, force: true });
}

test('without --yes nothing is removed, and what would be is told with its size', async () => {
  await using world = await dataRepo({ 'data/a': 'aaa', 'data/b': 'bb' }, ['data']);
  const digest = await stray(world.open(), 'nobody needs this');
  expect(await collect(world, { apply: false })).toMatchObject({
    applied: false,
    removed: { objects: 1, bytes: 17 },
    kept: { workspace: { objects: 3 } },
  });
  expect(hasObject(world.open(), digest)).toBe(true);
  expect(await collect(world)).toMatchObject({ applied: true, removed: { objects: 1, bytes: 17 } });
  expect(hasObject(world.open(), digest)).toBe(false);
  expect((await world.dvOk('status', '--check')).status).toBe(0);
});

test('what only another branch names is kept, in whatever folder its pointer lies', async () => {
  await using world = await dataRepo({ 'deep/er/data/a': 'nested', 'data/a': 'top' }, [
    'deep/er/data',
    'data',
  ]);
  await world.git('checkout', '--quiet', '-b', 'other');
  await forget(world, 'deep/er/data');
  await forget(world, 'data');
  await world.commit('without data');
  await world.git('reflog', 'expire', '--expire=now', '--all');
  expect(await isKept(world, digestOf('nested'))).toBe(true);
  expect(await isKept(world, digestOf('top'))).toBe(true);
});

test('what is younger than the grace is kept', async () => {
  await using world = await dataRepo({ 'data/a': 'a' }, ['data']);
  const repo = world.open();
  const [young, old] = [await stray(repo, 'young'), await stray(repo, 'old')];
  age(repo, young, 13);
  age(repo, old, 15);
  const result = await collect(world, { olderThanMs: 14 * dayMs });
  expect(result).toMatchObject({ removed: { objects: 1 }, kept: { young: { objects: 1, bytes: 5 } } });
  expect([hasObject(repo, young), hasObject(repo, old)]).toEqual([true, false]);
});

test('what no remote confirms to hold is kept, unless forced', async () => {
  await using world = await dataRepo({ 'data/a': 'pushed' }, ['data']);
  const remote = openMemoryRemote();
  await push(world.open(), remote);
  const pushed = digestOf('pushed');
  const only = await stray(world.open(), 'only here');
  await forget(world, 'data');
  await world.commit('without data');
  await world.git('checkout', '--quiet', '--orphan', 'fresh');
  await world.commit('fresh');
  await world.git('branch', '-D', 'main');
  await world.git('reflog', 'expire', '--expire=now', '--all');
  const remotes = [{ name: 'origin', open: async () => remote }];

  const unreachable = await collect(world, {
    force: false,
    remotes: [
      {
        name: 'origin',
        open: async () => {
          throw new DvError('remote-unreachable', { remote: 'm', reason: 'no route' });
        },
      },
    ],
  });
  expect(unreachable).toMatchObject({ removed: { objects: 0 }, unasked: [{ remote: 'origin' }] });
  expect(unreachable.kept.onlyHere.objects).toBe(3);

  // An idx speaks of it, but its pack is gone: that confirms nothing.
  const packless = watched(remote, () => {});
  const noPacks = {
    ...packless,
    list: (prefix: string) => packless.list(prefix === 'packs/' ? 'packs/none' : prefix),
  };
  expect(
    await collect(world, { force: false, remotes: [{ name: 'origin', open: async () => noPacks }] }),
  ).toMatchObject({ removed: { objects: 0 } });

  expect(await collect(world, { force: false, remotes })).toMatchObject({
    removed: { objects: 2 },
    kept: { onlyHere: { objects: 1 } },
  });
  expect([hasObject(world.open(), pushed), hasObject(world.open(), only)]).toEqual([false, true]);
  expect(await collect(world, { remotes })).toMatchObject({ removed: { objects: 1 } });
  expect(objectCount(world.open())).toBe(0);
});

test('branches, tags, remote branches, notes and any other ref keep the data of all their history', async () => {
  await using world = await dataRepo({ 'x/a': 'x' }, ['x']);
  const kept: Digest[] = [];
  for (const ref of ['refs/heads/b', 'refs/tags/t', 'refs/remotes/origin/r', 'refs/custom/c']) {
    kept.push(await record(world, 'f.bin', `first of ${ref}`));
    await world.commit('first');
    kept.push(await record(world, 'f.bin', `second of ${ref}`));
    await world.commit('second');
    await world.git('update-ref', ref, 'HEAD');
    await world.git('reset', '--quiet', '--hard', 'HEAD~2');
  }
  await world.git('tag', '--annotate', '--message', 'm', 'annotated', 'refs/custom/c');
  await world.git('update-ref', '-d', 'refs/custom/c');
  await forget(world, 'f.bin');
  await world.git('reflog', 'expire', '--expire=now', '--all');
  for (const digest of kept) expect(await isKept(world, digest)).toBe(true);
  await world.git('tag', '--delete', 'annotated');
  await world.git('update-ref', '-d', 'ORIG_HEAD');
  expect(await isKept(world, kept.at(-1)!)).toBe(false);
  expect(await isKept(world, kept[0]!)).toBe(true);
});

test('a tag on a folder of git’s, without a commit, keeps what it names', async () => {
  await using world = await dataRepo({ 'x/a': 'x' }, ['x']);
  const digest = await record(world, 'deep/f.bin', 'tagged');
  await world.git('add', '--all');
  const tree = (await world.git('write-tree')).trim();
  await world.git('tag', '--annotate', '--message', 'm', 'folder', tree);
  await forget(world, 'deep/f.bin');
  expect(await isKept(world, digest)).toBe(true);
  await world.git('tag', '--delete', 'folder');
  expect(await isKept(world, digest)).toBe(false);
});

test('reflogs, of HEAD and of branches, keep what a reset dropped', async () => {
  await using world = await dataRepo({ 'x/a': 'x' }, ['x']);
  const digest = await record(world, 'f.bin', 'dropped');
  await world.commit('to be dropped');
  await world.git('reset', '--quiet', '--hard', 'HEAD~1');
  await world.dvOk('checkout');
  expect((await collect(world, { apply: false })).kept.reflogs.objects).toBe(1);
  expect(await isKept(world, digest)).toBe(true);
  await world.git('reflog', 'expire', '--expire=now', '--all');
  await world.git('update-ref', '-d', 'ORIG_HEAD');
  expect(await isKept(world, digest)).toBe(false);
});

test('stashes keep their data, older ones too', async () => {
  await using world = await dataRepo({ 'x/a': 'x' }, ['x']);
  const digests: Digest[] = [];
  for (const content of ['first stash', 'second stash']) {
    world.write('x/a', content);
    await add(world.open(), ['x' as RepoPath]);
    digests.push(digestOf(content));
    await world.git('stash', '--quiet');
    await world.dvOk('checkout', '--force');
  }
  for (const digest of digests) expect(await isKept(world, digest)).toBe(true);
  await world.git('stash', 'clear');
  await world.git('reflog', 'expire', '--expire=now', '--all');
  for (const digest of digests) expect(await isKept(world, digest)).toBe(false);
});

test('what is staged is kept, though the workspace names something else', async () => {
  await using world = await dataRepo({ 'x/a': 'x' }, ['x']);
  const staged = await record(world, 'f.bin', 'staged');
  await world.git('add', 'f.bin.dv');
  const pointer = world.read('f.bin.dv');
  const now = await record(world, 'f.bin', 'in the workspace');
  world.write('f.bin.dv.save', pointer);
  await world.git('update-index', '--add', '--cacheinfo', `100644,${await blobOf(world, pointer)},f.bin.dv`);
  expect(await isKept(world, staged)).toBe(true);
  expect(await isKept(world, now)).toBe(true);
  await world.git('rm', '--quiet', '--cached', '--force', 'f.bin.dv');
  expect(await isKept(world, staged)).toBe(false);
});

async function blobOf(world: TestRepo, text: string): Promise<string> {
  return (await world.run('git', ['hash-object', '-w', '--stdin'], { input: text })).stdout.trim();
}

test('other worktrees keep what they name, also while their folder is away', async () => {
  await using world = await dataRepo({ 'x/a': 'x' }, ['x']);
  const linked = join(world.outside, 'linked');
  await world.git('worktree', 'add', '--quiet', '--detach', linked);
  const there = (...args: string[]) => world.run('git', ['-C', linked, ...args]);
  const put = async (content: string) => {
    writeFileSync(join(linked, 'f.bin'), content);
    await add(openRepo({ cwd: linked, env: world.env }), ['f.bin' as RepoPath]);
    return digestOf(content);
  };
  const detached = await put('on a detached HEAD');
  await there('add', '--all');
  await there('commit', '--quiet', '--message', 'detached');
  const staged = await put('staged there');
  await there('add', 'f.bin.dv');
  await world.git('config', 'dv.autostage', 'false');
  const edited = await put('only in its workspace');
  await there('reflog', 'expire', '--expire=now', '--all');
  for (const digest of [detached, staged, edited]) expect(await isKept(world, digest)).toBe(true);
  renameSync(linked, `${linked}.away`);
  for (const digest of [detached, staged]) expect(await isKept(world, digest)).toBe(true);
  renameSync(`${linked}.away`, linked);
  expect(await isKept(world, detached)).toBe(true);
  await world.git('worktree', 'remove', '--force', linked);
  for (const digest of [detached, staged, edited]) expect(await isKept(world, digest)).toBe(false);
});

test('a merge with conflicts and a rebase under way keep both sides', async () => {
  await using world = await dataRepo({ 'x/a': 'x' }, ['x']);
  const ours = await record(world, 'f.bin', 'ours');
  await world.commit('ours');
  await world.git('checkout', '--quiet', '-b', 'side', 'HEAD~1');
  const theirs = await record(world, 'f.bin', 'theirs');
  await world.commit('theirs');
  await world.git('config', 'merge.conflictStyle', 'merge');
  const side = (await world.git('rev-parse', 'side')).trim();
  await world.git('checkout', '--quiet', 'main');
  await world.git('branch', '--delete', '--force', 'side');
  await world.git('reflog', 'expire', '--expire=now', '--all');
  expect((await world.tryGit('merge', side)).status).not.toBe(0);
  // The pointer in the workspace has conflict markers: what it means is not known.
  await expect(collect(world)).rejects.toMatchObject({ code: 'invalid-file' });
  await collect(world, { skipBroken: true });
  expect([hasObject(world.open(), ours), hasObject(world.open(), theirs)]).toEqual([true, true]);
  await world.git('checkout', '--ours', 'f.bin.dv');
  expect(await isKept(world, theirs)).toBe(true);
});

test('a young run cache entry keeps its outputs, an old one goes with them', async () => {
  await using world = await dataRepo({ 'x/a': 'x' }, ['x']);
  const repo = world.open();
  const out = await stray(repo, 'an output');
  const metrics = await stray(repo, '{"accuracy": 1}');
  const fingerprint = digestOf('inputs');
  writeRun(repo, fingerprint, {
    ...{ stage: 'train', seconds: 1, finished: '2026-01-01T00:00:00Z', host: 'h' },
    outs: new Map([['out' as RepoPath, { kind: 'file', digest: out, bytes: 9 }]]),
    metrics: new Map([['m.json' as RepoPath, { kind: 'file', digest: metrics, bytes: 15 }]]),
  });
  for (const digest of [out, metrics]) age(repo, digest, 30);
  expect((await collect(world, { olderThanMs: 14 * dayMs })).kept.runs.objects).toBe(2);
  const file = join(repo.dvDir, 'runs', hexOf(fingerprint));
  const then = (Date.now() - 30 * dayMs) / 1000;
  utimesSync(file, then, then);
  expect(await collect(world, { olderThanMs: 14 * dayMs })).toMatchObject({
    runs: 1,
    removed: { objects: 2 },
  });
  expect(existsSync(file)).toBe(false);
});

test('a broken pointer in history stops it and is named; --skip-broken keeps what can be read in it', async () => {
  await using world = await dataRepo({ 'x/a': 'x' }, ['x']);
  const digest = await record(world, 'f.bin', 'behind a broken pointer');
  world.write('f.bin.dv', `version: 1\nkind: file\ndigest: ${digest}\n`);
  const commit = await world.commit('broken');
  await forget(world, 'f.bin');
  await world.commit('gone');
  const only = await stray(world.open(), 'unneeded');
  await expect(collect(world)).rejects.toMatchObject({
    code: 'invalid-file',
    message: expect.stringContaining(`${commit.slice(0, 7)}:f.bin.dv:4`),
  });
  expect(hasObject(world.open(), only)).toBe(true);
  await collect(world, { skipBroken: true });
  expect([hasObject(world.open(), only), hasObject(world.open(), digest)]).toEqual([false, true]);
});

test('a damaged listing stops it: what it lists cannot be known', async () => {
  await using world = await dataRepo({ 'x/a': 'x' }, ['x']);
  const { digest } = readPointer(world.open(), 'x')!;
  chmodSync(objectPath(world.open(), digest), 0o644);
  writeFileSync(objectPath(world.open(), digest), 'dv-tree 1\nflipped');
  await expect(collect(world)).rejects.toMatchObject({
    code: 'objects-damaged',
    details: { paths: [expect.stringContaining('x')] },
  });
});

test('with --force, a listing that nobody has stops it; without, only what a remote holds goes', async () => {
  await using world = await dataRepo({ 'x/a': 'x', 'x/b': 'in the lost listing' }, ['x']);
  const repo = world.open();
  const remote = openMemoryRemote();
  await push(repo, remote);
  const { digest } = readPointer(repo, 'x')!;
  rmSync(objectPath(repo, digest));
  await expect(collect(world)).rejects.toMatchObject({ code: 'data-missing', details: { paths: ['x'] } });
  // The remote has the listing: then it is known what is needed.
  const only = await stray(repo, 'unneeded');
  await collect(world, { remotes: [{ name: 'origin', open: async () => remote }] });
  expect([hasObject(repo, only), hasObject(repo, digestOf('in the lost listing'))]).toEqual([false, true]);
});

test('an object that is relied on while it is being removed stays', async () => {
  await using world = await dataRepo({ 'x/a': 'x' }, ['x']);
  const repo = world.open();
  const digests = [await stray(repo, 'relied on'), await stray(repo, 'not relied on')];
  for (const digest of digests) age(repo, digest, 30);
  const condemned = digests.map((digest) => ({
    digest,
    sizeBytes: objectSize(repo, digest)!,
    timeMs: statSync(objectPath(repo, digest)).mtimeMs,
  }));
  // Somebody finds it in the cache and need not write it, after gc has decided.
  expect(holdsObject(repo, digests[0]!, 9)).toBe(true);
  expect(await removeObjects(repo, condemned)).toEqual({ objects: 1, bytes: 13 });
  expect(digests.map((digest) => hasObject(repo, digest))).toEqual([true, false]);
});

test('what a killed gc had taken aside comes back', async () => {
  await using world = await dataRepo({ 'x/a': 'x' }, ['x']);
  const repo = world.open();
  const digest = digestOf('x');
  const aside = join(repo.dvDir, 'gc');
  mkdirSync(aside);
  renameSync(objectPath(repo, digest), join(aside, hexOf(digest)));
  await collect(world);
  expect(hasObject(repo, digest)).toBe(true);
  const twice = await stray(repo, 'x');
  writeFileSync(join(aside, hexOf(twice)), 'x');
  returnAside(repo);
  expect(hasObject(repo, twice)).toBe(true);
  expect(existsSync(join(aside, hexOf(twice)))).toBe(false);
});

test('an add between the look at the cache and the removal keeps what it found there', async () => {
  await using world = await dataRepo({ 'x/a': 'x' }, ['x']);
  const repo = world.open();
  const digest = await stray(repo, 'about to be needed');
  const other = await stray(repo, 'unneeded');
  for (const each of [digest, other]) age(repo, each, 30);
  let added = false;
  // Remotes are asked when gc knows what could go, and before it takes the locks.
  const open = async () => {
    world.write('f.bin', 'about to be needed');
    await add(world.open(), ['f.bin' as RepoPath]);
    added = true;
    return openMemoryRemote();
  };
  await collect(world, { remotes: [{ name: 'origin', open }] });
  expect(added).toBe(true);
  expect([hasObject(repo, digest), hasObject(repo, other)]).toEqual([true, false]);
});

test('it waits for commands in every worktree, and holds their locks while it removes', async () => {
  await using world = await dataRepo({ 'x/a': 'x' }, ['x']);
  const linked = join(world.outside, 'linked');
  await world.git('worktree', 'add', '--quiet', '--detach', linked);
  const other = openRepo({ cwd: linked, env: world.env });
  const digest = await stray(world.open(), 'unneeded');
  const lock = await takeLock(other, 'dv add');
  let done = false;
  const running = collect(world).then(() => {
    done = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect([done, hasObject(world.open(), digest)]).toEqual([false, true]);
  lock.release();
  await running;
  expect(hasObject(world.open(), digest)).toBe(false);
});

test('in a shared cache nothing goes before all who use it are named', async () => {
  await using one = await testRepo({ 'x/a': 'of one' });
  const cache = join(one.outside, 'cache');
  await one.git('config', 'dv.cache.dir', cache);
  await addAndCommit(one, ['x'], 'one');
  const two = join(one.outside, 'two');
  const git = (...args: string[]) => one.run('git', ['-C', two, ...args]);
  await one.run('git', ['init', '--quiet', two]);
  await git('config', 'dv.cache.dir', cache);
  mkdirSync(join(two, 'y'));
  writeFileSync(join(two, 'y', 'a'), 'of two');
  await add(openRepo({ cwd: two, env: one.env }), ['y' as RepoPath]);

  await expect(collect(one)).rejects.toMatchObject({ code: 'usage' });
  expect(await collect(one, { apply: false })).toMatchObject({ shared: true, removed: { objects: 2 } });
  await expect(collect(one, { usedBy: [one.home] })).rejects.toMatchObject({ code: 'not-a-repository' });
  expect(await collect(one, { usedBy: [two] })).toMatchObject({ removed: { objects: 0 } });
  expect(await collect(one, { usedBy: [one.root] })).toMatchObject({ removed: { objects: 2 } });
});

test('200 branches are read at once', async () => {
  await using world = await dataRepo({ 'x/a': 'x' }, ['x']);
  const pointers: string[] = [];
  const digests: Digest[] = [];
  for (let i = 0; i < 200; i++) {
    const digest = await stray(world.open(), `branch ${i}`);
    digests.push(digest);
    pointers.push(
      `commit refs/heads/b${i}\ncommitter A <a@b> ${1_700_000_000 + i} +0000\ndata 1\nb\n` +
        pointerAt('f.bin.dv', digest) +
        pointerAt('deep/er/g.dv', digest),
    );
  }
  await world.run('git', ['fast-import', '--quiet'], { input: pointers.join('') });
  const started = performance.now();
  expect(await collect(world)).toMatchObject({ removed: { objects: 0 }, kept: { refs: { objects: 200 } } });
  // Far from a timing assertion: one process per branch would take longer.
  expect(performance.now() - started).toBeLessThan(20_000);
  await world.git('branch', '--delete', '--force', 'b7');
  await collect(world);
  expect(digests.filter((digest) => !hasObject(world.open(), digest))).toEqual([digests[7]]);
});

function pointerAt(path: string, digest: Digest): string {
  const text = `version: 1\nkind: file\ndigest: ${digest}\nbytes: 9\n`;
  return `M 100644 inline ${path}\ndata ${text.length}\n${text}\n`;
}

test('pointers with odd names count, and files of others with such names do not', async () => {
  await using world = await dataRepo({ 'x/a': 'x' }, ['x']);
  const digest = await record(world, 'odd\nna me.bin', 'odd');
  world.write('video.dv', noise('v', 100_000));
  await world.commit('odd');
  await forget(world, 'odd\nna me.bin');
  await world.commit('gone');
  expect(await isKept(world, digest)).toBe(true);
});

test('a note of a killed command keeps the pointers in it', async () => {
  await using world = await dataRepo({ 'x/a': 'x' }, ['x']);
  const digest = await stray(world.open(), 'on its way to another name');
  const text = `version: 1\nkind: file\ndigest: ${digest}\nbytes: 26\n`;
  writeFileSync(join(world.open().gitDir, 'dv', 'moving'), JSON.stringify({ moves: [{ text }] }));
  expect(await isKept(world, digest)).toBe(true);
});

test('half-written things and idle stat indexes go', async () => {
  await using world = await dataRepo({ 'x/a': 'x' }, ['x']);
  const repo = world.open();
  mkdirSync(join(repo.temporaryDir, 'old'), { recursive: true });
  mkdirSync(join(repo.temporaryDir, 'new'), { recursive: true });
  writeFileSync(join(repo.indexDir, 'torn'), 'torn');
  const then = (Date.now() - 2 * dayMs) / 1000;
  utimesSync(join(repo.temporaryDir, 'old'), then, then);
  utimesSync(join(repo.indexDir, 'torn'), then, then);
  expect(await collect(world, { apply: false })).toMatchObject({ temporaries: 1, indexes: 1 });
  await collect(world);
  expect(existsSync(join(repo.temporaryDir, 'old'))).toBe(false);
  expect(existsSync(join(repo.temporaryDir, 'new'))).toBe(true);
  expect(existsSync(join(repo.indexDir, 'torn'))).toBe(false);
  expect((await world.dvOk('status', '--check')).status).toBe(0);
});
