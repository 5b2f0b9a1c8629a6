import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isDvError } from '../../../core/errors.ts';
import { cachePackMostBytes } from '../../../core/model/cache-pack.ts';
import { type Digest, digestOf, hexOf } from '../../../core/model/digest.ts';
import type { RepoPath } from '../../../core/model/repo-path.ts';
import { type Cache, hasOwnFile, readObject } from '../../../core/store/cache.ts';
import { PackFiller, type PackSpace } from '../../../core/store/cache-pack-space.ts';
import { packsFolder } from '../../../core/store/cache-packs.ts';
import { CacheWriter } from '../../../core/store/cache-writer.ts';
import { NewPacks, settlePacks } from '../../../core/store/new-packs.ts';
import { giveOwnFiles } from '../../../core/store/own-files.ts';
import { readFiles } from '../../../core/store/read-files.ts';
import { openRepo } from '../../../core/store/repo.ts';
import { unpackObjects } from '../../../core/store/unpack-objects.ts';
import { damagedObjects, objectsIn } from '../../support/cache-objects.ts';
import { packsIn, putPack } from '../../support/cache-packs.ts';
import { noise } from '../../support/data-world.ts';
import { gitFolder, type TemporaryFolder, temporaryFolder } from '../../support/git-folder.ts';
import { canMountSmallDisk, smallDisk } from '../../support/small-disk.ts';

const cacheIn = (folder: TemporaryFolder): Cache => ({
  objectsDir: folder.at('dv/objects'),
  temporaryDir: folder.at('dv/tmp'),
});

/** Fills a part with some texts, as a task does. */
function fill(space: PackSpace, texts: readonly string[]) {
  const filler = new PackFiller(space);
  for (const text of texts) {
    const bytes = Buffer.from(text);
    const room = filler.room(bytes.length);
    if (room === undefined) continue;
    room.set(bytes);
    filler.keep(digestOf(bytes), bytes.length);
  }
  filler.flush();
  return filler.filled;
}

const total = (texts: readonly string[]) => texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);

/** The texts of all objects of a cache. */
const textsIn = ({ objectsDir }: Cache) =>
  objectsIn(objectsDir)
    .map(({ bytes }) => bytes.toString())
    .sort();

test('parts filled by different tasks, in any order, become one pack', () => {
  using folder = temporaryFolder();
  const cache = cacheIn(folder);
  mkdirSync(cache.temporaryDir, { recursive: true });
  const packs = new NewPacks();
  const parts = [['a', 'bb'], ['ccc'], ['dddd', 'e']];
  const spaces = parts.map((texts) => packs.reserve(cache.temporaryDir, total(texts)));
  for (const i of [2, 0, 1]) packs.add(fill(spaces[i]!, parts[i]!));
  expect(packs.size).toBe(5);
  expect(packs.has(digestOf('ccc'))).toBe(true);
  settlePacks(cache.objectsDir, packs.finish());
  expect(packsIn(cache.objectsDir)).toHaveLength(1);
  expect(textsIn(cache)).toEqual(['a', 'bb', 'ccc', 'dddd', 'e']);
  expect(damagedObjects(cache.objectsDir)).toEqual([]);
  for (const text of parts.flat()) expect(readObject(cache, digestOf(text)).toString()).toBe(text);
});

test('empty objects behind parts that stayed empty are in the pack, and so is everything else', () => {
  using folder = temporaryFolder();
  for (const first of [[], ['a']]) {
    const cache: Cache = {
      objectsDir: folder.at(`${first.length}/objects`),
      temporaryDir: folder.at(`${first.length}/tmp`),
    };
    mkdirSync(cache.temporaryDir, { recursive: true });
    const packs = new NewPacks();
    const spaces = [1000, 2000].map((bytes) => packs.reserve(cache.temporaryDir, bytes));
    // What the cache had already was read, and its place stayed empty.
    packs.add(fill(spaces[0]!, first));
    packs.add(fill(spaces[1]!, ['']));
    settlePacks(cache.objectsDir, packs.finish());
    expect(textsIn(cache)).toEqual(['', ...first]);
    for (const text of ['', ...first]) expect(readObject(cache, digestOf(text)).toString()).toBe(text);
  }
});

test('an object that two tasks or one bring twice is there once', () => {
  using folder = temporaryFolder();
  const cache = cacheIn(folder);
  mkdirSync(cache.temporaryDir, { recursive: true });
  const packs = new NewPacks();
  const [one, two] = [packs.reserve(cache.temporaryDir, 100), packs.reserve(cache.temporaryDir, 100)];
  packs.add(fill(one, ['same', 'a', 'same', '', '']));
  packs.add(fill(two, ['same', 'b', '', 'a']));
  expect(packs.size).toBe(4);
  settlePacks(cache.objectsDir, packs.finish());
  expect(textsIn(cache)).toEqual(['', 'a', 'b', 'same']);
  expect(damagedObjects(cache.objectsDir)).toEqual([]);
});

test('a pack is closed before it grows over the limit; one that stays empty is none', () => {
  using folder = temporaryFolder();
  const cache = cacheIn(folder);
  mkdirSync(cache.temporaryDir, { recursive: true });
  const packs = new NewPacks();
  const third = cachePackMostBytes / 2 - 1;
  const spaces = [third, third, third, 2, cachePackMostBytes].map((bytes) =>
    packs.reserve(cache.temporaryDir, bytes),
  );
  expect(spaces.map(({ file }) => [...new Set(spaces.map((space) => space.file))].indexOf(file))).toEqual([
    0, 0, 1, 1, 2,
  ]);
  expect(spaces.map(({ offset }) => offset)).toEqual([0, third, 0, third, 0]);
  packs.add(fill(spaces[1]!, ['far behind']));
  packs.add(fill(spaces[2]!, ['other pack']));
  settlePacks(cache.objectsDir, packs.finish());
  expect(packsIn(cache.objectsDir)).toHaveLength(2);
  expect(textsIn(cache)).toEqual(['far behind', 'other pack']);
  packs.clear();
  expect([packs.size, packs.finish()]).toEqual([0, []]);
});

test('a part takes what fits, and nothing of 1 MiB or more', () => {
  using folder = temporaryFolder();
  const space = { file: folder.write('pack'), offset: 10, length: (3 << 20) + 5 };
  const filler = new PackFiller(space);
  expect(filler.room(1 << 20)).toBeUndefined();
  const contents = ['a', 'b', 'c'].map((seed) => noise(seed, (1 << 20) - 1));
  for (const bytes of contents) {
    filler.room(bytes.length)!.set(bytes);
    filler.keep(digestOf(bytes), bytes.length);
  }
  expect(filler.room(9)).toBeUndefined();
  filler.room(8)!.write('the last');
  filler.keep(digestOf('the last'), 8);
  expect(filler.room(1)).toBeUndefined();
  expect(filler.room(0)).toHaveLength(0);
  filler.flush();
  filler.flush();
  const written = readFileSync(space.file);
  expect(written.length).toBe(10 + space.length);
  expect(written.subarray(10).equals(Buffer.concat([...contents, Buffer.from('the last')]))).toBe(true);
});

test('more than is gathered in memory is written in pieces, whole', () => {
  using folder = temporaryFolder();
  const texts = Array.from({ length: 30 }, (_, i) => noise(i, 400_000 + 1000 * i).toString('latin1'));
  const cache = cacheIn(folder);
  mkdirSync(cache.temporaryDir, { recursive: true });
  const packs = new NewPacks();
  packs.add(fill(packs.reserve(cache.temporaryDir, total(texts)), texts));
  settlePacks(cache.objectsDir, packs.finish());
  expect(objectsIn(cache.objectsDir)).toHaveLength(30);
  expect(damagedObjects(cache.objectsDir)).toEqual([]);
});

test('a pack is read-only, and only for those the umask lets read it', () => {
  using folder = temporaryFolder();
  for (const [umask, mode] of [
    [0o022, 0o444],
    [0o027, 0o440],
    [0o077, 0o400],
  ] as const) {
    const cache: Cache = {
      objectsDir: folder.at(`${umask}/objects`),
      temporaryDir: folder.at(`${umask}/tmp`),
    };
    const before = process.umask(umask);
    try {
      mkdirSync(cache.temporaryDir, { recursive: true });
      const packs = new NewPacks();
      packs.add(fill(packs.reserve(cache.temporaryDir, 1), ['a']));
      settlePacks(cache.objectsDir, packs.finish());
    } finally {
      process.umask(before);
    }
    expect(statSync(packsIn(cache.objectsDir)[0]!).mode & 0o777).toBe(mode);
  }
});

test('where the cache is shared, packs and their folder are for the group, whatever the umask', async () => {
  using folder = temporaryFolder();
  const cache: Cache = { ...cacheIn(folder), sharedPermissions: 0o660 };
  const before = process.umask(0o077);
  try {
    const writer = new CacheWriter(cache);
    writer.adopt([], fill(writer.reserve(6), ['shared']));
    await writer.commit();
    writer.discard();
  } finally {
    process.umask(before);
  }
  expect(statSync(packsIn(cache.objectsDir)[0]!).mode & 0o777).toBe(0o440);
  expect(statSync(packsFolder(cache.objectsDir)).mode & 0o2770).toBe(0o2770);
});

test('nothing is there before the commit; packs and files are there together after it, and nothing is left over', async () => {
  using folder = temporaryFolder();
  const cache = cacheIn(folder);
  const writer = new CacheWriter(cache);
  writer.adopt([], fill(writer.reserve(100), ['in a pack']));
  const own = writer.put(Buffer.from('a file'));
  expect([writer.size, writer.has(digestOf('in a pack'))]).toEqual([2, true]);
  expect(existsSync(cache.objectsDir)).toBe(false);
  await writer.commit();
  expect(writer.size).toBe(0);
  expect(readObject(cache, own).toString()).toBe('a file');
  expect(readObject(cache, digestOf('in a pack')).toString()).toBe('in a pack');
  // A second batch is a pack of its own.
  writer.adopt([], fill(writer.reserve(100), ['later']));
  await writer.commit();
  writer.adopt([], fill(writer.reserve(100), ['dropped']));
  writer.discard();
  expect(readdirSync(cache.temporaryDir)).toEqual([]);
  expect(textsIn(cache)).toEqual(['a file', 'in a pack', 'later']);
  expect(packsIn(cache.objectsDir)).toHaveLength(2);
});

/** What a task that reads files left in its part and beside it. */
function readInto(folder: TemporaryFolder, names: readonly string[], length: number) {
  const store = {
    objectsDir: folder.at('dv/objects'),
    temporaryFolder: folder.at('new'),
    space: { file: folder.write('new/pack'), offset: 0, length },
  };
  const result = readFiles({
    kind: 'read',
    root: folder.path,
    folder: 'data' as RepoPath,
    names: names.join('\0'),
    store,
  });
  return { ...result, pack: readFileSync(store.space.file) };
}

test('files are read into a part: empty, equal, of 1 MiB, and more than there is place for', () => {
  using folder = temporaryFolder();
  const almost = noise('almost', (1 << 20) - 1);
  const whole = noise('whole', 1 << 20);
  for (const [name, content] of Object.entries({ empty: '', a: 'same', b: 'same', almost, whole, c: 'late' }))
    folder.write(`data/${name}`, content);
  const names = ['empty', 'a', 'b', 'almost', 'whole', 'c'];
  const { digests, stored, filled, pack } = readInto(folder, names, 4 + almost.length + 3);
  expect(digests).toEqual([digestOf(''), ...['same', 'same', almost, whole, 'late'].map((x) => digestOf(x))]);
  expect(filled!.digests).toEqual([digestOf(''), digestOf('same'), digestOf(almost)]);
  expect(stored).toEqual([digestOf(whole), digestOf('late')]);
  filled!.digests.forEach((digest, i) => {
    const offset = filled!.offsets[i]!;
    expect(digestOf(pack.subarray(offset, offset + filled!.lengths[i]!))).toBe(digest);
  });
});

test('a file that grew since it was listed takes no other task’s place', () => {
  using folder = temporaryFolder();
  folder.write('data/a', 'aa');
  folder.write('data/b', 'b'.repeat(50));
  const names = ['a', 'b'];
  appendFileSync(folder.at('data/a'), 'a'.repeat(60));
  // Listed with 2 and 50 bytes.
  const { filled, stored, pack } = readInto(folder, names, 52);
  expect(pack.length).toBeLessThanOrEqual(52);
  expect([...stored, ...filled!.digests].sort()).toEqual(
    [digestOf('a'.repeat(62)), digestOf('b'.repeat(50))].sort(),
  );
});

test('what arrives from a remote is unpacked into a part; damaged and large objects are not', () => {
  using folder = temporaryFolder();
  const large = noise('large', 1 << 20);
  const contents = [Buffer.from('a'), Buffer.from(''), large, Buffer.from('b'), Buffer.from('a')];
  const digests = contents.map((bytes) => digestOf(bytes));
  digests[3] = digestOf('not b');
  const bytes = Buffer.concat(contents);
  let offset = 0;
  const offsets = contents.map((content) => {
    offset += content.length;
    return offset - content.length;
  });
  const space = { file: folder.write('new/pack'), offset: 0, length: bytes.length };
  const result = unpackObjects({
    kind: 'unpack',
    folder: folder.at('new'),
    space,
    bytes,
    digests,
    offsets,
    lengths: contents.map((content) => content.length),
    encodings: contents.map(() => 0),
  });
  expect(result.damaged).toEqual([digestOf('not b')]);
  expect(result.stored).toEqual([digestOf(large)]);
  expect(result.filled).toMatchObject({ digests: [digestOf('a'), digestOf('')], lengths: [1, 0] });
  expect(readFileSync(space.file, 'utf8')).toBe('a');
});

test.skipIf(!canMountSmallDisk())(
  'a full disk is named, and nothing of the batch is in the cache',
  async () => {
    using disk = smallDisk(256)!;
    const cache = cacheIn(disk);
    const first = new CacheWriter(cache);
    first.adopt([], fill(first.reserve(20), ['was there before']));
    await first.commit();
    first.discard();
    const writer = new CacheWriter(cache);
    const code = async (work: () => unknown) => {
      try {
        await work();
      } catch (error) {
        if (isDvError(error)) return error.code;
        throw error;
      }
      return 'done';
    };
    // The columns are what does not fit any more.
    const rows: { digests: Digest[]; offsets: number[]; lengths: number[] } = {
      digests: [],
      offsets: [],
      lengths: [],
    };
    for (let i = 0; i < 8000; i++) {
      rows.digests.push(digestOf(`${i}`));
      rows.offsets.push(0);
      rows.lengths.push(0);
    }
    const space = writer.reserve(10);
    writer.adopt([], { file: space.file, ...rows });
    expect(await code(() => writer.commit())).toBe('disk-full');
    writer.discard();
    expect(textsIn(cache)).toEqual(['was there before']);
    expect(readdirSync(cache.temporaryDir)).toEqual([]);
    // With room again, it goes through.
    const again = new CacheWriter(cache);
    again.adopt([], fill(again.reserve(5), ['again']));
    await again.commit();
    again.discard();
    expect(textsIn(cache)).toEqual(['again', 'was there before']);
  },
);

test('an object’s own file is made of the pack’s bytes, and a damaged one stays where it is', async () => {
  using folder = gitFolder();
  const repo = openRepo({ cwd: folder.path, env: folder.env });
  const wrong = { bytes: Buffer.from('wrong'), name: hexOf(digestOf('right')) };
  putPack(repo.objectsDir, ['a', 'b', wrong, { bytes: Buffer.from('x'), name: hexOf(digestOf('y')) }]);
  putPack(repo.objectsDir, ['y']);
  await giveOwnFiles(
    repo,
    ['a', 'right', 'absent', 'y'].map((text) => digestOf(text)),
  );
  expect(['a', 'b', 'right', 'absent', 'y'].map((text) => hasOwnFile(repo, digestOf(text)))).toEqual([
    true,
    false,
    false,
    false,
    true,
  ]);
  expect(readObject(repo, digestOf('y')).toString()).toBe('y');
});
