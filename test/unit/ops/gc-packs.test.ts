import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { digestOf, hexOf } from '../../../core/model/digest.ts';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import { add } from '../../../core/ops/add.ts';
import { type Condemned, removeObjects, returnAside } from '../../../core/ops/gc/sweep.ts';
import { removeFromPacks } from '../../../core/ops/gc/sweep-packs.ts';
import {
  type Cache,
  hasObject,
  hasOwnFile,
  holdsObject,
  objectPath,
  readObject,
} from '../../../core/store/cache.ts';
import { CachePacks, packsOf } from '../../../core/store/cache-packs.ts';
import { listObjects } from '../../../core/store/object-list.ts';
import type { Repo } from '../../../core/store/repo.ts';
import { damagedObjects, objectsIn } from '../../support/cache-objects.ts';
import { packsIn, putPack } from '../../support/cache-packs.ts';
import { collectGarbage as collect } from '../../support/collect-garbage.ts';
import { noise } from '../../support/data-world.ts';
import { type TestRepo, testRepo } from '../../support/repo.ts';
import { canMountSmallDisk, smallDisk } from '../../support/small-disk.ts';

const dayMs = 86_400_000;

function age(path: string, days: number): void {
  const then = (Date.now() - days * dayMs) / 1000;
  utimesSync(path, then, then);
}

/** Puts an object into the cache as a file of its own. */
function putFile(repo: Repo, text: string, bytes: string | Buffer = text): string {
  const path = objectPath(repo, digestOf(text));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes, { mode: 0o444 });
  return path;
}

const bad = (text: string) => ({ bytes: Buffer.from(`${text}?`), name: hexOf(digestOf(text)) });
const textsIn = (repo: Repo) =>
  objectsIn(repo.objectsDir)
    .map(({ bytes }) => bytes.toString())
    .sort();

/** What is to go, as it was listed. */
async function condemn(repo: Repo, texts: readonly string[]): Promise<Condemned[]> {
  const list = await listObjects(repo);
  return texts.map((text) => {
    const row = list.row(hexOf(digestOf(text)))!;
    return { digest: list.digest(row), sizeBytes: list.sizes[row]!, timeMs: list.times[row]! };
  });
}

/** A world whose folder `data` was recorded into a pack. */
async function packedWorld(contents: Record<string, string | Uint8Array>): Promise<TestRepo> {
  const world = await testRepo(
    Object.fromEntries(Object.entries(contents).map(([name, content]) => [`data/${name}`, content])),
  );
  await world.git('config', 'dv.cache.unpackLimit', '1');
  await world.git('config', 'dv.cache.link', 'copy');
  await add(world.open(), ['data' as RepoPath]);
  await world.commit('data');
  return world;
}

test('what nothing needs goes, the rest of the pack stays byte for byte, and a dry run says the same numbers', async () => {
  const kept = Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`k${i}`, noise(`k${i}`, 50 + i)]));
  await using world = await packedWorld(kept);
  const repo = world.open();
  const path = putPack(repo.objectsDir, [
    'gone 1',
    ...Object.values(kept)
      .slice(0, 3)
      .map((bytes) => ({ bytes })),
    '',
    'gone 2',
  ]);
  age(path, 20);
  const before = packsIn(repo.objectsDir);
  const dry = await collect(world, { apply: false });
  expect(dry.removed).toEqual({ objects: 3, bytes: 12 });
  expect(packsIn(repo.objectsDir)).toEqual(before);
  const done = await collect(world);
  expect(done).toEqual({ ...dry, applied: true });
  for (const text of ['gone 1', 'gone 2', '']) expect(hasObject(repo, digestOf(text))).toBe(false);
  for (const bytes of Object.values(kept)) expect(readObject(repo, digestOf(bytes)).equals(bytes)).toBe(true);
  expect(damagedObjects(repo.objectsDir)).toEqual([]);
  expect((await collect(world)).removed).toEqual({ objects: 0, bytes: 0 });
  // The copies of what the other pack has are gone, too: once each, and the listing.
  expect(objectsIn(repo.objectsDir)).toHaveLength(121);
  expect((await world.dvOk('verify', '--all')).stdout).toContain('checked 121 objects');
  expect((await world.dvOk('status', '--check')).status).toBe(0);
});

test('a pack of which nothing stays goes, one of which everything stays is not touched', async () => {
  await using world = await packedWorld({ a: 'aaa', b: 'bbb' });
  const repo = world.open();
  const [needed] = packsIn(repo.objectsDir);
  const before = statSync(needed!);
  const unneeded = putPack(repo.objectsDir, ['x', 'y']);
  await collect(world);
  expect(packsIn(repo.objectsDir)).toEqual([needed]);
  expect(existsSync(unneeded)).toBe(false);
  expect([statSync(needed!).ino, statSync(needed!).mtimeMs]).toEqual([before.ino, before.mtimeMs]);
});

test('young packs stay, and what is left of an old one is as old as it was', async () => {
  await using world = await packedWorld({ a: 'aaa' });
  const repo = world.open();
  age(packsIn(repo.objectsDir)[0]!, 30);
  age(putPack(repo.objectsDir, ['young']), 13);
  const old = putPack(repo.objectsDir, ['old', 'aaa', 'also in a young one']);
  age(old, 15);
  age(putPack(repo.objectsDir, ['also in a young one']), 2);
  const result = await collect(world, { olderThanMs: 14 * dayMs });
  expect(result).toMatchObject({ removed: { objects: 1, bytes: 3 }, kept: { young: { objects: 2 } } });
  expect(textsIn(repo).filter((text) => !text.startsWith('dv-tree'))).toEqual([
    'aaa',
    'also in a young one',
    'young',
  ]);
  expect((await collect(world, { olderThanMs: 14 * dayMs })).removed.objects).toBe(0);
  for (const { timeMs } of new CachePacks(repo.objectsDir).list())
    expect(Date.now() - timeMs).toBeGreaterThan(dayMs);
});

test('what somebody relied on after it was listed stays, through whichever of its packs', async () => {
  for (const through of [0, 1]) {
    await using world = await testRepo();
    const repo = world.open();
    const packs = [putPack(repo.objectsDir, ['x', 'y']), putPack(repo.objectsDir, ['x', 'z'])];
    for (const path of packs) age(path, 20);
    const condemned = await condemn(repo, ['x', 'y', 'z']);
    // As `holdsObject` of another process does.
    const now = Date.now() / 1000;
    utimesSync(packs[through]!, now, now);
    const removed = await removeObjects(repo, condemned);
    expect(hasObject(repo, digestOf('x'))).toBe(true);
    expect(readObject(repo, digestOf('x')).toString()).toBe('x');
    expect(removed).toEqual({ objects: 1, bytes: 1 });
    expect(hasObject(repo, digestOf(through === 0 ? 'z' : 'y'))).toBe(false);
  }
});

test('what somebody wrote again into a new pack after it was listed stays', async () => {
  await using world = await testRepo();
  const repo = world.open();
  age(putPack(repo.objectsDir, ['x', 'y']), 20);
  const condemned = await condemn(repo, ['x', 'y']);
  const fresh = putPack(repo.objectsDir, ['x', 'new']);
  expect(await removeObjects(repo, condemned)).toEqual({ objects: 1, bytes: 1 });
  expect(packsIn(repo.objectsDir)).toEqual([fresh]);
  expect(textsIn(repo)).toEqual(['new', 'x']);
});

test('a pack relied on while what stays is copied comes back', async () => {
  await using world = await testRepo();
  const repo = world.open();
  const path = putPack(repo.objectsDir, ['stays', ...Array.from({ length: 40 }, (_, i) => `goes ${i}`)]);
  age(path, 20);
  const condemned = await condemn(
    repo,
    Array.from({ length: 40 }, (_, i) => `goes ${i}`),
  );
  const cache: Cache = {
    ...repo,
    // Asked for when the new pack is written and the old one not yet taken away.
    get sharedPermissions() {
      expect(holdsObject(repo, digestOf('goes 7'), 6)).toBe(true);
      return undefined;
    },
  };
  expect(await removeObjects(cache, condemned)).toEqual({ objects: 0, bytes: 0 });
  expect(existsSync(path)).toBe(true);
  expect(hasObject(repo, digestOf('goes 7'))).toBe(true);
  expect(readObject(repo, digestOf('stays')).toString()).toBe('stays');
});

test('of copies the whole one is what stays, wherever it is', async () => {
  const names = ['two packs', 'pack bad, file good', 'pack good, file bad', 'both good', 'all bad'];
  await using world = await packedWorld(Object.fromEntries(names.map((name, i) => [`f${i}`, name])));
  const repo = world.open();
  const [own] = packsIn(repo.objectsDir);
  renameSync(own!, join(world.outside, 'own'));
  const [two, fileGood, packGood, both, none] = names as [string, string, string, string, string];
  putPack(repo.objectsDir, [bad(two), bad(fileGood), packGood, both, bad(none)]);
  putPack(repo.objectsDir, [two, 'to go', bad(none)]);
  putPack(repo.objectsDir, [bad(two), bad(packGood), both]);
  putFile(repo, fileGood);
  putFile(repo, both);
  putFile(repo, packGood, 'bad');
  putFile(repo, none, 'bad');
  await collect(world);
  for (const name of [two, fileGood, packGood, both])
    expect(readObject(repo, digestOf(name)).toString()).toBe(name);
  expect(hasObject(repo, digestOf('to go'))).toBe(false);
  // What is damaged everywhere is no less there than before: verify is to tell of it.
  expect(hasObject(repo, digestOf(none))).toBe(true);
  const copies = (name: string) =>
    objectsIn(repo.objectsDir).filter((object) => object.name === hexOf(digestOf(name))).length;
  expect([two, fileGood, both].map(copies)).toEqual([1, 1, 1]);
  await collect(world);
  for (const name of [two, fileGood, packGood, both])
    expect(readObject(repo, digestOf(name)).toString()).toBe(name);
});

test('of whole copies the youngest is what stays, so that no object grows old', async () => {
  await using world = await testRepo();
  const repo = world.open();
  const all = ['x', 'y', 'z'];
  for (const [i, days] of [20, 3, 30].entries())
    age(putPack(repo.objectsDir, [...all, `only in ${i}`]), days);
  age(putFile(repo, 'y'), 25);
  age(putFile(repo, 'z'), 1);
  const result = await collect(world, { olderThanMs: 14 * dayMs });
  expect(result.removed).toEqual({ objects: 2, bytes: 18 });
  const list = await listObjects(repo);
  const days = (text: string) =>
    Math.round((Date.now() - list.times[list.row(hexOf(digestOf(text)))!]!) / dayMs);
  expect(all.map(days)).toEqual([3, 3, 1]);
  expect((await collect(world, { olderThanMs: 14 * dayMs })).removed.objects).toBe(0);
});

test('a pack whose columns are damaged is left as it is: nobody knows what it holds', async () => {
  await using world = await packedWorld({ a: 'aaa', b: 'bbb' });
  const repo = world.open();
  const [path] = packsIn(repo.objectsDir);
  const bytes = readFileSync(path!);
  bytes[bytes.indexOf(Buffer.from(hexOf(digestOf('bbb')), 'hex'))]! ^= 1;
  rmSync(path!);
  const damaged = putPack(repo.objectsDir, bytes);
  putPack(repo.objectsDir, ['gone']);
  const { removed } = await collect(world);
  expect(removed).toEqual({ objects: 1, bytes: 4 });
  expect(packsIn(repo.objectsDir)).toEqual([damaged]);
  expect(readFileSync(damaged)).toEqual(bytes);
});

test('a whole copy stays beside one in a pack whose columns are damaged', async () => {
  await using world = await packedWorld({ a: 'aaa', b: 'bbb' });
  const repo = world.open();
  const [path] = packsIn(repo.objectsDir);
  const bytes = readFileSync(path!);
  bytes[bytes.indexOf(Buffer.from(hexOf(digestOf('bbb')), 'hex'))]! ^= 1;
  rmSync(path!);
  const damaged = putPack(repo.objectsDir, bytes);
  putPack(repo.objectsDir, ['aaa', 'gone']);
  await collect(world);
  rmSync(damaged);
  expect(readObject(repo, digestOf('aaa')).toString()).toBe('aaa');
  expect(textsIn(repo)).not.toContain('gone');
});

test('a row that claims more than a packed object can have does not stop gc', async () => {
  const large = noise('large', 900_000);
  await using world = await packedWorld({ a: large, b: 'bbb', c: noise('other', 900_000) });
  const repo = world.open();
  const [path] = packsIn(repo.objectsDir);
  const bytes = readFileSync(path!);
  const rows = bytes.readUInt32LE(bytes.length - 12);
  const digests = bytes.length - 12 - 40 * rows;
  const row = (bytes.indexOf(Buffer.from(hexOf(digestOf('bbb')), 'hex'), digests) - digests) / 32;
  bytes.writeUInt32LE(0, digests + 32 * rows + 4 * row);
  bytes.writeUInt32LE(3 | (1 << 20), digests + 36 * rows + 4 * row);
  rmSync(path!);
  putPack(repo.objectsDir, bytes);
  putPack(repo.objectsDir, [{ bytes: large }, 'gone']);
  expect((await collect(world)).removed).toEqual({ objects: 1, bytes: 4 });
  expect(readObject(repo, digestOf(large)).equals(large)).toBe(true);
  expect(() => readObject(repo, digestOf('bbb'))).toThrow('no longer holds the bytes');
  // What is damaged is still to be found by verify, and to be healed.
  expect((await world.dv('verify')).stdout).toContain('damaged     data/b');
  expect((await world.dvOk('verify', '--repair')).stdout).toContain('1 healed');
});

test('an unneeded object that is a file and packed goes everywhere, and counts once', async () => {
  await using world = await packedWorld({ a: 'aaa' });
  const repo = world.open();
  putPack(repo.objectsDir, ['twice', 'aaa']);
  putPack(repo.objectsDir, ['twice']);
  putFile(repo, 'twice');
  expect((await collect(world)).removed).toEqual({ objects: 1, bytes: 5 });
  expect([hasObject(repo, digestOf('twice')), hasOwnFile(repo, digestOf('twice'))]).toEqual([false, false]);
});

test('more than fifty small packs are put together, fifty are not', async () => {
  const texts = Array.from({ length: 51 }, (_, i) => `content ${i}`);
  await using world = await packedWorld(Object.fromEntries(texts.map((text, i) => [`f${i}`, text])));
  const repo = world.open();
  rmSync(packsIn(repo.objectsDir)[0]!);
  const first = putPack(repo.objectsDir, texts.slice(0, 2));
  for (const text of texts.slice(2)) putPack(repo.objectsDir, [text]);
  const before = packsIn(repo.objectsDir);
  expect(before).toHaveLength(50);
  await collect(world);
  expect(packsIn(repo.objectsDir)).toEqual(before);
  rmSync(first);
  for (const text of texts.slice(0, 2)) age(putPack(repo.objectsDir, [text]), 3);
  await collect(world);
  expect(packsIn(repo.objectsDir)).toHaveLength(1);
  expect(textsIn(repo).filter((text) => !text.startsWith('dv-tree'))).toEqual([...texts].sort());
  expect(damagedObjects(repo.objectsDir)).toEqual([]);
  expect((await world.dvOk('status', '--check')).status).toBe(0);
});

test('a process that knows the packs from before a gc finds everything that stayed', async () => {
  await using world = await packedWorld({ a: 'aaa', b: 'bbb' });
  const repo = world.open();
  const other = new CachePacks(repo.objectsDir);
  const path = putPack(repo.objectsDir, ['aaa', 'gone']);
  expect(other.find(digestOf('gone'))).toBeDefined();
  await collect(world);
  expect(existsSync(path)).toBe(false);
  expect(['aaa', 'bbb'].map((text) => other.readWhole(digestOf(text))?.toString())).toEqual(['aaa', 'bbb']);
  other.refresh();
  expect(other.find(digestOf('gone'))).toBeUndefined();
});

test('a pack that a killed gc left aside is put back, unless it is there', async () => {
  await using world = await testRepo();
  const repo = world.open();
  const path = putPack(repo.objectsDir, ['a']);
  const aside = join(dirname(repo.objectsDir), 'gc');
  mkdirSync(aside, { recursive: true });
  renameSync(path, join(aside, basename(path)));
  packsOf(repo).refresh();
  returnAside(repo);
  expect(readObject(repo, digestOf('a')).toString()).toBe('a');
  writeFileSync(join(aside, basename(path)), readFileSync(path));
  returnAside(repo);
  expect(existsSync(join(aside, basename(path)))).toBe(false);
  expect(textsIn(repo)).toEqual(['a']);
});

test('a pack nobody can read is left where it is, and the others are collected', async () => {
  await using world = await packedWorld({ a: 'aaa' });
  const repo = world.open();
  const path = putPack(repo.objectsDir, Buffer.from('no pack at all, cut by a full disk perhaps'));
  putPack(repo.objectsDir, ['gone']);
  expect((await collect(world)).removed).toEqual({ objects: 1, bytes: 4 });
  expect(existsSync(path)).toBe(true);
  chmodSync(path, 0o644);
});

test.skipIf(!canMountSmallDisk())(
  'a disk with room for little is enough: packs go as soon as what stays of them is copied',
  async () => {
    using disk = smallDisk(3 << 10)!;
    const cache = { objectsDir: disk.at('dv/objects'), temporaryDir: disk.at('dv/tmp') };
    const aside = disk.at('dv/gc');
    mkdirSync(aside, { recursive: true });
    const kept = ['a', 'b'].map((seed) => noise(seed, 800_000));
    for (const bytes of kept) age(putPack(cache.objectsDir, [{ bytes }, `gone with ${bytes[0]}`]), 20);
    age(putPack(cache.objectsDir, [{ bytes: noise('nothing stays', 900_000) }]), 20);
    // Room for nothing but columns, until the pack goes of which nothing stays.
    disk.write('full', Buffer.alloc(400_000));
    const list = await listObjects(cache);
    const stays = new Set(kept.map((bytes) => digestOf(bytes)));
    const going = new Map(
      list.times.flatMap((time, row) =>
        stays.has(list.digest(row)) ? [] : [[list.digest(row), time] as const],
      ),
    );
    const removed: string[] = [];
    await removeFromPacks(cache, going, aside, {
      removed: (digest) => removed.push(digest),
      groupBytes: 1 << 20,
    });
    expect(removed.sort()).toEqual([...going.keys()].sort());
    expect(objectsIn(cache.objectsDir).map(({ bytes }) => bytes.length)).toEqual([800_000, 800_000]);
    expect(damagedObjects(cache.objectsDir)).toEqual([]);
  },
);

test('what another repository records while gc takes it away is there at the end', async () => {
  const texts = Array.from({ length: 60 }, (_, i) => `shared ${i}`);
  await using world = await testRepo();
  const [cache, two] = [join(world.outside, 'cache'), join(world.outside, 'two')];
  await world.git('init', '--quiet', two);
  for (const root of [world.root, two]) {
    await world.git('-C', root, 'config', 'dv.cache.dir', cache);
    await world.git('-C', root, 'config', 'dv.cache.link', 'copy');
    await world.git('-C', root, 'config', 'dv.cache.unpackLimit', '1');
  }
  texts.forEach((text, i) => {
    world.write(`../outside/two/data/${i}`, text);
  });
  let removed = 0;
  for (let round = 0; round < 6; round++) {
    rmSync(cache, { recursive: true, force: true });
    const { objectsDir } = world.open();
    age(putPack(objectsDir, [...texts.slice(0, 40), 'gone']), 20);
    age(putPack(objectsDir, [...texts.slice(20), 'gone too']), 20);
    let running = true;
    const added = world.dvOk('-C', two, 'add', 'data').finally(() => {
      running = false;
    });
    // The longer it takes to start, the more of the packs is relied on already.
    await new Promise((resolve) => setTimeout(resolve, 40 * round));
    // Every copy that one look decides about is a new chance to be wrong.
    while (running) {
      const result = await collect(world, { olderThanMs: dayMs, usedBy: [world.root] });
      removed += result.removed.objects;
    }
    await added;
    const found = new Set(objectsIn(objectsDir).map(({ bytes }) => bytes.toString()));
    expect(texts.filter((text) => !found.has(text))).toEqual([]);
    expect(damagedObjects(objectsDir)).toEqual([]);
    rmSync(join(two, '.git/dv/index'), { recursive: true, force: true });
    rmSync(join(two, 'data.dv'));
  }
  expect(removed).toBeGreaterThan(0);
});
