import { spawn } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { DvEvent } from '../../../core/events.ts';
import { type Digest, digestOf } from '../../../core/model/digest.ts';
import { formatIdx } from '../../../core/model/idx.ts';
import { columnsOf } from '../../../core/model/place.ts';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import { formatTreeRoot } from '../../../core/model/root.ts';
import { encodeTree } from '../../../core/model/tree.ts';
import { add } from '../../../core/ops/add.ts';
import { fetch } from '../../../core/ops/fetch.ts';
import { pull } from '../../../core/ops/pull.ts';
import { push } from '../../../core/ops/push.ts';
import { objectPath } from '../../../core/store/cache.ts';
import { CacheWriter } from '../../../core/store/cache-writer.ts';
import { countRequests } from '../../../core/store/counted-remote.ts';
import { readPointer } from '../../../core/store/tracked.ts';
import { openDirectoryRemote } from '../../../remotes/directory.ts';
import { openMemoryRemote } from '../../../remotes/memory.ts';
import {
  addAndCommit,
  type Call,
  cloneOf,
  damagedIn,
  dataRepo,
  keysOf,
  noise,
  objectCount,
  reopen,
  watched,
} from '../../support/data-world.ts';
import { mainScript, testRepo } from '../../support/repo.ts';

const images = (count: number, bytes: number) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, i) => [
      `data/train/c${i % 10}/${String(i).padStart(5, '0')}.png`,
      noise(i, bytes),
    ]),
  );

/** How many files lie below a folder that may not be there. */
function countFiles(folder: string): number {
  if (!existsSync(folder)) return 0;
  return readdirSync(folder, { withFileTypes: true }).reduce(
    (sum, entry) => sum + (entry.isDirectory() ? countFiles(join(folder, entry.name)) : 1),
    0,
  );
}

/** Overwrites an object of a cache, which is read-only. */
function damage(path: string, bytes: string): void {
  chmodSync(path, 0o644);
  writeFileSync(path, bytes);
}

const recording = (calls: Call[]) => (call: Call) => {
  calls.push(call);
};

test('what one repository pushes, a clone pulls, file by file', async () => {
  const files = {
    ...images(40, 300),
    'data/empty.txt': '',
    'data/notes/a b%\n.txt': 'odd name',
    'model.bin': noise('m', 5000),
  };
  await using world = await dataRepo(files, ['data', 'model.bin']);
  const remote = openDirectoryRemote(join(world.outside, 'remote'));

  const pushed = await push(world.open(), remote);
  expect(pushed).toMatchObject({ files: 43, packs: 1, upToDate: false });
  expect(
    (await keysOf(remote)).map((key) =>
      key.replace(/[0-9a-f]{64}/, '<sha256>').replace(/\/[0-9a-f]{2}\//, '/<ab>/'),
    ),
  ).toMatchInlineSnapshot(`
      [
        "dv.json",
        "idx/<sha256>.idx",
        "packs/<ab>/<sha256>.pack",
        "roots/<sha256>",
        "roots/<sha256>",
      ]
    `);

  const clone = cloneOf(world);
  const pulled = await pull(clone, remote, { force: false });
  expect(pulled.fetched).toMatchObject({ files: 43, upToDate: false, failures: [] });
  expect(pulled.checkedOut).toMatchObject({ missing: [], failures: [], kept: [] });
  expect(damagedIn(clone)).toEqual([]);
  const here = world.tree();
  expect(await world.run('diff', ['-r', '--exclude=.git', world.root, clone.root])).toMatchObject({
    status: 0,
    stdout: '',
  });
  expect(Object.keys(here)).toHaveLength(43 + 2 + 1);
});

test('a second push is one request, a second fetch none', async () => {
  await using world = await dataRepo(images(30, 100), ['data']);
  const remote = openMemoryRemote();
  await push(world.open(), remote);
  const calls: Call[] = [];
  expect(await push(world.open(), watched(remote, recording(calls)))).toMatchObject({
    requests: 1,
    upToDate: true,
    objects: 0,
  });
  expect(calls.map((call) => call.name)).toEqual(['head']);

  const clone = cloneOf(world);
  await fetch(clone, remote);
  expect(await fetch(clone, remote)).toMatchObject({ requests: 0, upToDate: true, objects: 0 });
});

test('after a small change only the change is sent, and fetched', async () => {
  await using world = await dataRepo(images(500, 2000), ['data/train']);
  const remote = openMemoryRemote();
  const first = countRequests(remote);
  await push(world.open(), first);
  const clone = cloneOf(world);
  await fetch(clone, remote);

  for (let i = 0; i < 500; i += 50)
    world.write(`data/train/c${i % 10}/${String(i).padStart(5, '0')}.png`, noise(`new ${i}`, 2000));
  await addAndCommit(world, ['data/train'], 'two percent');
  const second = countRequests(remote);
  expect(await push(world.open(), second)).toMatchObject({ files: 10, bytes: 20_000 });
  // Ten files, the listing of all 500 and its root.
  expect(second.traffic.sentBytes).toBeLessThan(first.traffic.sentBytes * 0.06);
  expect(second.traffic.requests).toBeLessThanOrEqual(8);

  await world.run('git', ['-C', clone.root, 'pull', '--quiet']);
  expect(await fetch(reopen(clone, world), remote)).toMatchObject({ files: 10, failures: [] });
  expect(damagedIn(clone)).toEqual([]);
});

test('20,000 tiny files go in one pack and come back', { timeout: 180_000 }, async () => {
  await using world = await testRepo({});
  const repo = world.open();
  // Only the cache is filled: there is nothing to learn from 20,000 files in the workspace.
  const writer = new CacheWriter(repo);
  const entries = Array.from({ length: 20_000 }, (_, i) => {
    const bytes = Buffer.from(`value ${i}`);
    const path = `${String(i % 100).padStart(2, '0')}/${String(i).padStart(5, '0')}` as RepoPath;
    return { path, digest: writer.put(bytes), sizeBytes: bytes.length, mode: '-' as const };
  }).sort((a, b) => (a.path < b.path ? -1 : 1));
  const tree = await encodeTree(entries);
  for (const object of tree.objects) writer.add(object.digest, object.bytes);
  await writer.commit();
  const set = [
    {
      path: 'data' as RepoPath,
      pointer: { kind: 'tree' as const, digest: tree.digest, files: 20_000, bytes: tree.bytes },
    },
  ];

  const remote = openDirectoryRemote(join(world.outside, 'remote'));
  expect(await push(repo, remote, { sets: [set] })).toMatchObject({ files: 20_000, packs: 1 });
  const clone = cloneOf(world);
  expect(await fetch(clone, remote, { sets: [set] })).toMatchObject({ files: 20_000, failures: [] });
  expect(objectCount(clone)).toBe(objectCount(repo));
  expect(damagedIn(clone)).toEqual([]);
});

test('large objects go whole, and come back', async () => {
  const large = noise('large', 9 << 20);
  await using world = await dataRepo(
    { 'big.bin': large, 'data/also.bin': noise('other', 8 << 20), 'data/small': 's' },
    ['big.bin', 'data'],
  );
  const remote = openDirectoryRemote(join(world.outside, 'remote'));
  await push(world.open(), remote);
  expect((await keysOf(remote)).filter((key) => key.startsWith('blobs/'))).toHaveLength(2);
  const clone = cloneOf(world);
  await pull(clone, remote, { force: false });
  expect(await world.run('cmp', [join(world.root, 'big.bin'), join(clone.root, 'big.bin')])).toMatchObject({
    status: 0,
  });
  expect(damagedIn(clone)).toEqual([]);
});

test('a large object that is damaged in the cache is never sent', async () => {
  await using world = await dataRepo({ 'big.bin': noise('large', 9 << 20), 'data/a': 'a' }, [
    'big.bin',
    'data',
  ]);
  const repo = world.open();
  const { digest } = readPointer(repo, 'big.bin')!;
  const bytes = noise('large', 9 << 20);
  bytes[5] = bytes[5]! ^ 1;
  damage(objectPath(repo, digest), bytes.toString('latin1').slice(0, 0) || 'short');
  const remote = openMemoryRemote();
  await expect(push(repo, remote)).rejects.toMatchObject({
    code: 'objects-damaged',
    details: { paths: ['big.bin'] },
  });
  writeFileSync(objectPath(repo, digest), bytes);
  await expect(push(repo, remote)).rejects.toMatchObject({
    code: 'objects-damaged',
    details: { paths: ['big.bin'] },
  });
  expect((await keysOf(remote)).filter((key) => /^(blobs|roots)\//.test(key))).toEqual([]);
});

test('a damaged object of the cache is named and never sent; nothing is claimed, and the rest is kept', async () => {
  await using world = await dataRepo({ ...images(20, 100), 'other.txt': 'fine' }, ['data', 'other.txt']);
  const repo = world.open();
  const calls: Call[] = [];
  const remote = openMemoryRemote();
  await add(repo, ['other.txt' as RepoPath]);
  const victim = readdirSync(repo.objectsDir).flatMap((prefix) =>
    readdirSync(join(repo.objectsDir, prefix)).map((name) => `sha256:${prefix}${name}` as Digest),
  );
  const tree = readPointer(repo, 'data')!.digest;
  const digest = victim.find(
    (candidate) => candidate !== tree && candidate !== readPointer(repo, 'other.txt')!.digest,
  )!;
  damage(objectPath(repo, digest), 'x'.repeat(100));

  const failure = push(repo, watched(remote, recording(calls)));
  await expect(failure).rejects.toMatchObject({ code: 'objects-damaged' });
  await expect(failure).rejects.toThrow(/data\/train\/c\d\/\d+\.png/);
  expect((await keysOf(remote)).filter((key) => key.startsWith('roots/'))).toEqual([]);
  for (const key of (await keysOf(remote)).filter((name) => name.startsWith('packs/'))) {
    expect(Buffer.from((await remote.get(key))!).includes('x'.repeat(100))).toBe(false);
  }

  // Repaired, only the missing object goes.
  const original = Object.values(images(20, 100)).find((bytes) => !calls.length || bytes.length === 100)!;
  expect(original).toBeDefined();
  for (const [path, bytes] of Object.entries(images(20, 100))) {
    world.write(path, bytes);
  }
  rmSync(objectPath(repo, digest));
  rmSync(join(repo.gitDir, 'dv', 'index'), { recursive: true, force: true });
  await add(repo, ['data' as RepoPath]);
  expect(await push(world.open(), remote)).toMatchObject({ objects: 1, upToDate: false });
  const clone = cloneOf(world);
  expect(await fetch(clone, remote)).toMatchObject({ failures: [] });
});

test('data that is neither in the cache nor on the remote is named before anything is sent', async () => {
  await using world = await dataRepo(images(5, 100), ['data']);
  const repo = world.open();
  const tree = readPointer(repo, 'data')!.digest;
  rmSync(objectPath(repo, tree));
  const remote = openMemoryRemote();
  await expect(push(repo, remote)).rejects.toMatchObject({
    code: 'data-missing',
    details: { paths: ['data'] },
  });
  expect((await keysOf(remote)).filter((key) => key !== 'dv.json')).toEqual([]);
});

test('a tree that lists what is neither in the cache nor on the remote is named with the file', async () => {
  await using world = await dataRepo(images(5, 100), ['data']);
  const repo = world.open();
  rmSync(objectPath(repo, digestOf(noise(3, 100))));
  const remote = openMemoryRemote();
  await expect(push(repo, remote)).rejects.toMatchObject({
    code: 'data-missing',
    details: { paths: ['data/train/c3/00003.png'] },
  });
  expect((await keysOf(remote)).filter((key) => key !== 'dv.json')).toEqual([]);
});

test('data the cache lacks and the remote holds does not stop a push', async () => {
  await using world = await dataRepo({ ...images(10, 100), 'kept/a': 'a' }, ['data', 'kept']);
  const remote = openMemoryRemote();
  await push(world.open(), remote);

  // A clone that never pulled adds something of its own: the trees it does not have are on the remote.
  const clone = cloneOf(world);
  writeFileSync(join(clone.root, 'new.txt'), 'new');
  await add(clone, ['new.txt' as RepoPath]);
  const result = await push(reopen(clone, world), remote);
  expect(result).toMatchObject({ objects: 1, files: 1 });

  const other = cloneOf(world, 'other');
  writeFileSync(
    join(other.root, 'new.txt.dv'),
    world.open() && (await import('node:fs')).readFileSync(join(clone.root, 'new.txt.dv')),
  );
  expect(await fetch(other, remote)).toMatchObject({ files: 12, failures: [] });
});

test('without roots, everything is found through the idx files', async () => {
  await using world = await dataRepo({ ...images(30, 200), 'single.bin': 'single' }, ['data', 'single.bin']);
  const remote = openMemoryRemote();
  await push(world.open(), remote);
  for (const key of await keysOf(remote)) if (key.startsWith('roots/')) await remote.delete(key);
  const clone = cloneOf(world);
  expect(await fetch(clone, remote)).toMatchObject({ files: 31, failures: [] });
  expect(damagedIn(clone)).toEqual([]);
});

test('a commit whose snapshot was never pushed is found: its trees were', async () => {
  await using world = await dataRepo({ 'a/1': 'one', 'b/2': 'two', 'c.txt': 'three' }, ['a', 'b', 'c.txt']);
  const remote = openMemoryRemote();
  const refs = ['a', 'b', 'c.txt'].map((path) => ({
    path: path as RepoPath,
    pointer: readPointer(world.open(), path)!,
  }));
  await push(world.open(), remote, { sets: [refs.slice(0, 1)] });
  await push(world.open(), remote, { sets: [refs.slice(1)] });
  const clone = cloneOf(world);
  expect(await fetch(clone, remote)).toMatchObject({ files: 3, failures: [] });
});

test('damaged roots are named and not used', async () => {
  await using world = await dataRepo(images(10, 100), ['data']);
  const remote = openMemoryRemote();
  await push(world.open(), remote);
  for (const key of (await keysOf(remote)).filter((name) => name.startsWith('roots/'))) {
    const bytes = (await remote.get(key))!;
    bytes[bytes.length - 60] = bytes[bytes.length - 60]! ^ 1;
    await remote.put(key, bytes);
  }
  const events: DvEvent[] = [];
  const clone = cloneOf(world);
  expect(await fetch(clone, remote, { report: (event) => events.push(event) })).toMatchObject({
    files: 10,
    failures: [],
  });
  expect(
    events
      .filter((event) => event.type === 'warning')
      .map((event) => event.message.replace(/[0-9a-f]{64}/, '<sha256>')),
  ).toEqual([
    'memory:///roots/<sha256> is damaged and was not used: its bytes were changed after it was written',
  ]);
});

test('a damaged idx is named, and what it lists is sent again', async () => {
  await using world = await dataRepo(images(10, 100), ['data']);
  const remote = openMemoryRemote();
  await push(world.open(), remote);
  const idx = (await keysOf(remote)).find((key) => key.startsWith('idx/'))!;
  await remote.put(idx, Buffer.from('dv-idx-1 torn'));
  world.write('data/new', 'new');
  await addAndCommit(world, ['data'], 'more');
  rmSync(join(world.open().dvDir, 'remotes'), { recursive: true });
  const events: DvEvent[] = [];
  expect(await push(world.open(), remote, { report: (event) => events.push(event) })).toMatchObject({
    files: 11,
  });
  expect(events.some((event) => event.type === 'warning' && event.message.includes(idx))).toBe(true);
});

test('a damaged pack is named on fetch, and everything else arrives', async () => {
  await using world = await dataRepo({ ...images(20, 1000), 'b/1': 'fine' }, ['data', 'b']);
  const remote = openMemoryRemote();
  await push(world.open(), remote);
  const key = (await keysOf(remote)).find((name) => name.startsWith('packs/'))!;
  const bytes = Buffer.from((await remote.get(key))!);
  const victim = noise(7, 1000);
  const at = bytes.indexOf(victim);
  expect(at).toBeGreaterThan(0);
  bytes[at + 500] = bytes[at + 500]! ^ 1;
  await remote.put(key, bytes);

  const clone = cloneOf(world);
  const result = await fetch(clone, remote);
  expect(result).toMatchObject({
    files: 20,
    failures: [{ path: 'data/train/c7/00007.png', reason: 'damaged' }],
  });
  expect(damagedIn(clone)).toEqual([]);

  // Another copy on the remote heals it.
  rmSync(join(world.open().dvDir, 'remotes'), { recursive: true });
  for (const name of await keysOf(remote)) if (/^(idx|roots)\//.test(name)) await remote.delete(name);
  await push(world.open(), remote);
  expect(await fetch(clone, remote)).toMatchObject({ files: 1, failures: [] });
});

test('an object that is damaged in one pack is taken from another', async () => {
  await using world = await dataRepo(images(3, 500), ['data']);
  const remote = openMemoryRemote();
  await push(world.open(), remote);
  const first = (await keysOf(remote)).find((name) => name.startsWith('packs/'))!;
  const idx = (await keysOf(remote)).find((name) => name.startsWith('idx/'))!;
  const kept = (await remote.get(idx))!;
  // The second pusher does not see the first one's idx: both packs hold everything.
  await remote.delete(idx);
  for (const name of await keysOf(remote)) if (name.startsWith('roots/')) await remote.delete(name);
  await push(world.open(), remote);
  await remote.put(idx, kept);
  expect((await keysOf(remote)).filter((name) => name.startsWith('packs/'))).toHaveLength(2);
  const torn = (await remote.get(first))!.fill(0, 0, 900);
  await remote.put(first, torn);
  const clone = cloneOf(world);
  for (const name of await keysOf(remote)) if (name.startsWith('roots/')) await remote.delete(name);
  expect(await fetch(clone, remote)).toMatchObject({ files: 3, failures: [] });
  expect(damagedIn(clone)).toEqual([]);
});

test('a pack that vanished is named, not waited for', async () => {
  await using world = await dataRepo(images(3, 500), ['data']);
  const remote = openMemoryRemote();
  await push(world.open(), remote);
  for (const key of await keysOf(remote)) if (key.startsWith('packs/')) await remote.delete(key);
  const result = await fetch(cloneOf(world), remote);
  expect(result.failures).toMatchObject([{ path: 'data', reason: 'damaged' }]);
});

test('data that was never pushed is named, and the rest arrives', async () => {
  await using world = await dataRepo({ 'a/1': 'one', 'b.txt': 'two' }, ['a', 'b.txt']);
  const remote = openMemoryRemote();
  await push(world.open(), remote, {
    sets: [[{ path: 'a' as RepoPath, pointer: readPointer(world.open(), 'a')! }]],
  });
  const result = await fetch(cloneOf(world), remote);
  expect(result).toMatchObject({ files: 1, failures: [{ path: 'b.txt', reason: 'missing' }] });
});

test('two pushers at once both end with everything there', async () => {
  await using world = await dataRepo(images(30, 200), ['data']);
  const repo = world.open();
  const clone = cloneOf(world);
  const remote = openDirectoryRemote(join(world.outside, 'remote'));
  await push(repo, remote);
  await fetch(clone, remote);
  writeFileSync(join(clone.root, 'theirs.txt'), 'theirs');
  await add(clone, ['theirs.txt' as RepoPath]);
  world.write('ours.txt', 'ours');
  await add(repo, ['ours.txt' as RepoPath]);
  const fresh = openDirectoryRemote(join(world.outside, 'fresh'));
  const results = await Promise.all([push(reopen(clone, world), fresh), push(world.open(), fresh)]);
  expect(results.every((result) => !result.upToDate)).toBe(true);
  expect((await keysOf(fresh)).filter((key) => key === 'dv.json')).toHaveLength(1);
  for (const source of [reopen(clone, world), world.open()]) {
    expect(await push(source, fresh)).toMatchObject({ upToDate: true });
  }
  const third = cloneOf(world, 'third');
  expect(await fetch(third, fresh)).toMatchObject({ files: 30, failures: [] });
});

test('a push that is cut after each of its writes goes on from there', async () => {
  await using world = await dataRepo({ ...images(10, 100), 'big.bin': noise('b', 9 << 20) }, [
    'data',
    'big.bin',
  ]);
  for (let stopAt = 1; stopAt < 20; stopAt++) {
    const repo = world.open();
    const values = new Map();
    const remote = openMemoryRemote(values, `memory://${stopAt}`);
    let writes = 0;
    const cut = watched(remote, ({ name }) => {
      if (name.startsWith('put') && ++writes >= stopAt) throw new Error('cut');
    });
    const first = await push(repo, cut).catch((error: Error) => error.message);
    if (first !== 'cut') {
      expect(stopAt).toBeGreaterThan(6);
      return;
    }
    // Nothing says more than is true.
    for (const key of await keysOf(remote)) expect(key.startsWith('roots/') && writes < 4).toBe(false);
    const calls: Call[] = [];
    await push(repo, watched(remote, recording(calls)));
    const again = calls.filter(
      (call) => /^(packs|blobs)\//.test(call.key) && call.name.startsWith('put'),
    ).length;
    // dv.json, then pack and blob in any order; what had arrived is not sent again.
    expect(again).toBe(stopAt <= 2 ? 2 : stopAt === 3 ? again : 0);
    expect(await push(repo, remote)).toMatchObject({ upToDate: true });
    const clone = cloneOf(world, `clone-${stopAt}`);
    expect(await fetch(clone, remote)).toMatchObject({ files: 11, failures: [] });
  }
  throw new Error('the push never ended');
});

test('notes of packs that are gone from the remote are not believed', async () => {
  await using world = await dataRepo(images(5, 100), ['data']);
  const remote = openMemoryRemote();
  const cut = watched(remote, ({ name, key }) => {
    if (name === 'put' && key.startsWith('idx/')) throw new Error('cut');
  });
  await expect(push(world.open(), cut)).rejects.toThrow('cut');
  for (const key of await keysOf(remote)) if (key.startsWith('packs/')) await remote.delete(key);
  expect(await push(world.open(), remote)).toMatchObject({ files: 5, packs: 1 });
  expect(await fetch(cloneOf(world), remote)).toMatchObject({ files: 5, failures: [] });
});

test('a remote that was emptied and filled anew is not taken for what it was', async () => {
  await using world = await dataRepo(images(5, 100), ['data']);
  const values = new Map();
  const remote = openMemoryRemote(values);
  await push(world.open(), remote);
  values.clear();
  expect(await push(world.open(), remote)).toMatchObject({ files: 5, upToDate: false });
  expect(await fetch(cloneOf(world), remote)).toMatchObject({ files: 5, failures: [] });
});

test('a remote with a newer format is refused, by push and by fetch, and not touched', async () => {
  await using world = await dataRepo(images(2, 100), ['data']);
  const remote = openMemoryRemote();
  await remote.put('dv.json', Buffer.from('{"format":2,"id":"x"}'));
  await expect(push(world.open(), remote)).rejects.toMatchObject({ code: 'newer-format' });
  await expect(fetch(cloneOf(world), remote)).rejects.toMatchObject({ code: 'newer-format' });
  expect(await keysOf(remote)).toEqual(['dv.json']);
});

test('a place nothing was ever pushed to says so', async () => {
  await using world = await dataRepo(images(2, 100), ['data']);
  await expect(fetch(cloneOf(world), openMemoryRemote())).rejects.toMatchObject({ code: 'remote-empty' });
  await expect(
    fetch(cloneOf(world, 'b'), openDirectoryRemote(join(world.outside, 'nowhere'))),
  ).rejects.toMatchObject({
    code: 'remote-empty',
  });
  expect(existsSync(join(world.outside, 'nowhere'))).toBe(false);
});

test('a dry run says what would be sent, and writes nothing anywhere', async () => {
  await using world = await dataRepo(images(7, 100), ['data']);
  const remote = openMemoryRemote();
  expect(await push(world.open(), remote, { dryRun: true })).toMatchObject({
    files: 7,
    packs: 1,
    upToDate: false,
  });
  expect(await keysOf(remote)).toEqual([]);
});

test('several commits go in one push, each with a root of its own', async () => {
  await using world = await dataRepo(images(10, 100), ['data']);
  world.write('data/train/c0/new.png', noise('new', 100));
  await addAndCommit(world, ['data'], 'second');
  const remote = openMemoryRemote();
  const select = { workspace: false, revisions: ['HEAD~1', 'HEAD'], all: false };
  expect(await push(world.open(), remote, { select })).toMatchObject({ files: 11, packs: 1 });
  expect((await keysOf(remote)).filter((key) => key.startsWith('roots/'))).toHaveLength(4);
  expect(await push(world.open(), remote, { select })).toMatchObject({ requests: 2, upToDate: true });
  expect(
    await push(world.open(), remote, { select: { workspace: false, revisions: [], all: true } }),
  ).toMatchObject({ upToDate: true });
});

test('only the paths that were asked for are fetched', async () => {
  await using world = await dataRepo({ 'a/1': 'one', 'b/2': 'two', 'b/sub.txt': 'three' }, ['a', 'b']);
  const remote = openMemoryRemote();
  await push(world.open(), remote);
  const clone = cloneOf(world);
  expect(await fetch(clone, remote, { paths: ['b' as RepoPath] })).toMatchObject({ files: 2 });
  await expect(fetch(clone, remote, { paths: ['c' as RepoPath] })).rejects.toMatchObject({
    code: 'path-not-tracked',
  });
  expect(await fetch(clone, remote)).toMatchObject({ files: 1 });
});

test('a repository without data pushes nothing, without a request', async () => {
  await using world = await dataRepo({ 'readme.md': 'x' }, []);
  expect(await push(world.open(), openMemoryRemote())).toMatchObject({ requests: 0, upToDate: true });
});

test('Ctrl-C ends a push between two packs, and the next one goes on', async () => {
  await using world = await dataRepo(images(5, 100), ['data']);
  const remote = openMemoryRemote();
  const abort = new AbortController();
  const stopping = watched(remote, ({ name, key }) => {
    if (name === 'put' && key.startsWith('packs/')) abort.abort(new Error('interrupted'));
  });
  await expect(push(world.open(), stopping, { signal: abort.signal })).rejects.toThrow('interrupted');
  expect((await keysOf(remote)).filter((key) => /^(roots|idx)\//.test(key))).toEqual([]);
  expect(await push(world.open(), remote)).toMatchObject({ files: 5 });
});

test('kill -9 in the middle of a push: the next one completes, and never sent half a file', async () => {
  const files = Object.fromEntries(
    Array.from({ length: 40 }, (_, i) => [`data/${i}.bin`, noise(i, 2 << 20)]),
  );
  await using world = await dataRepo(files, ['data']);
  const folder = join(world.outside, 'remote');
  await world.git('config', 'dv.remote.store.url', folder);
  let finished = 0;
  for (const afterFiles of [1, 2, 3]) {
    const child = spawn(process.execPath, [mainScript, 'push'], {
      cwd: world.root,
      env: world.env,
      stdio: 'ignore',
    });
    const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
    // As soon as so many packs have arrived, or are arriving, it is killed.
    const seen = () => countFiles(join(folder, 'packs')) + countFiles(join(folder, '.tmp'));
    while (child.exitCode === null && seen() < afterFiles)
      await new Promise((resolve) => setTimeout(resolve, 2));
    child.kill('SIGKILL');
    await ended;
    if (child.exitCode === 0) finished++;
    const remote = openDirectoryRemote(folder);
    for (const key of await keysOf(remote)) {
      if (!key.startsWith('packs/')) continue;
      expect(digestOf((await remote.get(key))!)).toBe(`sha256:${key.slice(9, 73)}`);
    }
  }
  expect(finished).toBeLessThan(3);
  const remote = openDirectoryRemote(folder);
  await push(world.open(), remote);
  expect(await push(world.open(), remote)).toMatchObject({ upToDate: true });
  const clone = cloneOf(world);
  expect(await fetch(clone, remote)).toMatchObject({ files: 40, failures: [] });
  expect(damagedIn(clone)).toEqual([]);
});

test('kill -9 in the middle of a pull: the next one completes', async () => {
  const files = Object.fromEntries(
    Array.from({ length: 400 }, (_, i) => [`data/${i}.bin`, noise(i, 100_000)]),
  );
  await using world = await dataRepo(files, ['data']);
  const folder = join(world.outside, 'remote');
  await push(world.open(), openDirectoryRemote(folder));
  const clone = cloneOf(world);
  await world.git('-C', clone.root, 'config', 'dv.remote.store.url', folder);
  for (const afterFiles of [1, 50, 200]) {
    const child = spawn(process.execPath, [mainScript, 'pull'], {
      cwd: clone.root,
      env: world.env,
      stdio: 'ignore',
    });
    const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
    while (child.exitCode === null && countFiles(clone.temporaryDir) < afterFiles)
      await new Promise((resolve) => setTimeout(resolve, 1));
    child.kill('SIGKILL');
    await ended;
    if (existsSync(clone.objectsDir)) expect(damagedIn(clone)).toEqual([]);
  }
  await pull(clone, openDirectoryRemote(folder), { force: false });
  expect(damagedIn(clone)).toEqual([]);
  expect(await world.run('diff', ['-r', join(world.root, 'data'), join(clone.root, 'data')])).toMatchObject({
    status: 0,
  });
});

test('what an untrusted remote says cannot make us write outside, nor into the cache what is not so', async () => {
  await using world = await dataRepo({ 'data/a': 'a', 'data/b': 'b' }, ['data']);
  const remote = openMemoryRemote();
  await push(world.open(), remote);
  const tree = readPointer(world.open(), 'data')!.digest;
  const evil = Buffer.from('evil bytes');
  const name = digestOf(evil).slice(7);
  await remote.put(`packs/${name.slice(0, 2)}/${name}.pack`, evil);
  const place = { pack: name, offset: 0, length: evil.length, encoding: 0 as const };
  await remote.put(
    `roots/${tree.slice(7)}`,
    formatTreeRoot({ tree, own: [tree], places: columnsOf([place, place, place]) }),
  );
  // Keys that are no names are not followed, and idx files that are not what their name says are not believed.
  const lying = formatIdx([{ name, sizeBytes: evil.length, objects: [{ digest: tree, ...place }] }], []);
  await remote.put(`idx/${'f'.repeat(64)}.idx`, lying);
  await remote.put(`idx/${digestOf(lying).slice(7)}.idx`, lying);
  await remote.put('idx/evil.idx', lying);
  const clone = cloneOf(world);
  const before = world.tree();
  expect(await fetch(clone, remote)).toMatchObject({ files: 2, failures: [] });
  expect(damagedIn(clone)).toEqual([]);
  expect(world.tree()).toEqual(before);
  expect(readdirSync(clone.objectsDir).every((prefix) => /^[0-9a-f]{2}$/.test(prefix))).toBe(true);
});
