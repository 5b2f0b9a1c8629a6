import {
  chmodSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { isDvError } from '../../../core/errors.ts';
import { type Digest, digestFromHex, digestOf, hexOf } from '../../../core/model/digest.ts';
import { hasObject, holdsObject, objectSize, readObject } from '../../../core/store/cache.ts';
import { CachePacks, packsOf } from '../../../core/store/cache-packs.ts';
import { checkObjects } from '../../../core/store/check-objects.ts';
import { findObject } from '../../../core/store/find-object.ts';
import { listObjects } from '../../../core/store/object-list.ts';
import { cacheStamp, missingObjects } from '../../../core/store/objects.ts';
import { packOf, putPack } from '../../support/cache-packs.ts';
import { type TemporaryFolder, temporaryFolder } from '../../support/git-folder.ts';

const objectsIn = (folder: TemporaryFolder) => folder.at('objects');

/** What an index says of objects: their bytes, `damaged`, or undefined when it knows none. */
function read(packs: CachePacks, texts: readonly string[]): (string | undefined)[] {
  return texts.map((text) => {
    const bytes = packs.readWhole(digestOf(text));
    if (bytes === undefined) return undefined;
    return digestOf(bytes) === digestOf(text) ? text : 'damaged';
  });
}

/** Lets a file's bytes be changed, which dv never does. */
function edit(path: string, change: (bytes: Buffer) => void): void {
  const bytes = readFileSync(path);
  change(bytes);
  chmodSync(path, 0o644);
  writeFileSync(path, bytes);
}

test('thousands of objects in several packs are found, each with its own bytes, and nothing else is', () => {
  using folder = temporaryFolder();
  const objectsDir = objectsIn(folder);
  const texts = Array.from({ length: 5000 }, (_, i) => `object ${i} ${'x'.repeat(i % 40)}`);
  for (let at = 0; at < texts.length; at += 700) putPack(objectsDir, texts.slice(at, at + 700));
  const packs = new CachePacks(objectsDir);
  expect(read(packs, texts)).toEqual(texts);
  const others = Array.from({ length: 5000 }, (_, i) => `nothing ${i}`);
  expect(read(packs, others).every((each) => each === undefined)).toBe(true);
  expect([...packs.objects()].map(({ hex }) => hex).sort()).toEqual(
    texts.map((text) => hexOf(digestOf(text))).sort(),
  );
  packs.close();
});

test('digests that begin alike are told apart', () => {
  using folder = temporaryFolder();
  const names = Array.from(
    { length: 300 },
    (_, i) => `aabbccdd${i.toString(16).padStart(4, '0')}${'0'.repeat(52)}`,
  );
  putPack(
    objectsIn(folder),
    names.map((name, i) => ({ bytes: Buffer.from(String(i)), name })),
  );
  const packs = new CachePacks(objectsIn(folder));
  for (const [i, name] of names.entries()) {
    expect(packs.find(digestFromHex(name)!)?.length).toBe(String(i).length);
    expect(packs.find(digestFromHex(`${name.slice(0, -1)}1`)!)).toBeUndefined();
  }
});

test('more packs than files are kept open are read in any order', () => {
  using folder = temporaryFolder();
  const texts = Array.from({ length: 80 }, (_, i) => `in pack ${i}`);
  for (const text of texts) putPack(objectsIn(folder), [text]);
  const packs = new CachePacks(objectsIn(folder));
  for (let round = 0; round < 3; round++) expect(read(packs, texts)).toEqual(texts);
  expect(read(packs, [...texts].reverse())).toEqual([...texts].reverse());
  packs.close();
});

test('a pack that comes later is found when its object is asked for, within one step of the clock too', () => {
  using folder = temporaryFolder();
  const packs = new CachePacks(objectsIn(folder));
  expect(read(packs, ['a'])).toEqual([undefined]);
  for (const text of ['a', 'b', 'c', 'd', 'e', 'f']) {
    putPack(objectsIn(folder), [text]);
    expect(read(packs, [text])).toEqual([text]);
  }
});

test('a pack that goes is forgotten at the next look, its other copies are found', () => {
  using folder = temporaryFolder();
  const first = putPack(objectsIn(folder), ['both', 'first']);
  putPack(objectsIn(folder), ['both', 'second']);
  const packs = new CachePacks(objectsIn(folder));
  expect(packs.list()).toHaveLength(2);
  rmSync(first);
  expect(read(packs, ['both', 'first', 'second'])).toEqual(['both', undefined, 'second']);
  expect(packs.find(digestOf('first'))).toBeUndefined();
  expect(packs.list()).toHaveLength(1);
});

test('a pack that was rewritten meanwhile is read in its new place, opened before or not', () => {
  using folder = temporaryFolder();
  for (const isOpen of [false, true]) {
    const old = putPack(objectsIn(folder), [`keep ${isOpen}`, `drop ${isOpen}`]);
    const packs = new CachePacks(objectsIn(folder));
    packs.refresh();
    if (isOpen) read(packs, [`keep ${isOpen}`]);
    putPack(objectsIn(folder), [`keep ${isOpen}`]);
    rmSync(old);
    expect(read(packs, [`keep ${isOpen}`])).toEqual([`keep ${isOpen}`]);
    packs.close();
    expect(read(packs, [`keep ${isOpen}`, `drop ${isOpen}`])).toEqual([`keep ${isOpen}`, undefined]);
  }
});

test('a pack that is put back under its name is found again', () => {
  using folder = temporaryFolder();
  const path = putPack(objectsIn(folder), ['a']);
  const packs = new CachePacks(objectsIn(folder));
  expect(read(packs, ['a'])).toEqual(['a']);
  packs.close();
  renameSync(path, folder.at('aside'));
  expect(read(packs, ['a'])).toEqual([undefined]);
  renameSync(folder.at('aside'), path);
  expect(read(packs, ['a'])).toEqual(['a']);
});

test('files that are no packs are left alone', () => {
  using folder = temporaryFolder();
  const path = putPack(objectsIn(folder), ['a']);
  for (const name of ['note.txt', 'x.pack', `${basename(path)}.part`])
    folder.write(`objects/packs/${name}`, packOf(['b']));
  const packs = new CachePacks(objectsIn(folder));
  expect(read(packs, ['a', 'b'])).toEqual(['a', undefined]);
});

test('a pack cut anywhere counts as gone, or gives what it still has, and never other bytes', () => {
  const texts = ['first', '', 'third one', 'dv-objs1'];
  const whole = packOf(texts);
  for (let length = 0; length < whole.length; length++) {
    using folder = temporaryFolder();
    putPack(objectsIn(folder), whole.subarray(0, length));
    putPack(objectsIn(folder), ['beside']);
    const packs = new CachePacks(objectsIn(folder));
    const found = read(packs, [...texts, 'beside']);
    expect(found.at(-1)).toBe('beside');
    for (const [i, text] of texts.entries()) expect([undefined, 'damaged', text]).toContain(found[i]);
  }
});

test('any bit turned over loses no more than objects, and gives no wrong bytes', () => {
  const texts = ['first', '', 'third one'];
  const whole = packOf(texts);
  for (let bit = 0; bit < whole.length * 8; bit++) {
    using folder = temporaryFolder();
    const bytes = Buffer.from(whole);
    bytes[bit >> 3] = bytes[bit >> 3]! ^ (1 << (bit & 7));
    putPack(objectsIn(folder), bytes);
    const packs = new CachePacks(objectsIn(folder));
    try {
      for (const [i, found] of read(packs, texts).entries())
        expect([undefined, 'damaged', texts[i]]).toContain(found);
      for (const object of packs.objects())
        packs.read(object, Buffer.alloc(Math.min(object.length, whole.length)), 0);
    } catch (error) {
      // The version may have become a later one.
      if (!isDvError(error, 'newer-format')) throw error;
    }
    packs.close();
  }
});

test('one bit turned over in a row’s offset or length costs one object', () => {
  const texts = ['first', 'second', 'third'];
  const whole = packOf(texts);
  const numbers = whole.length - 12 - 3 * 8;
  for (let at = numbers; at < whole.length - 12; at++) {
    using folder = temporaryFolder();
    const bytes = Buffer.from(whole);
    bytes[at] = bytes[at]! ^ 0x40;
    putPack(objectsIn(folder), bytes);
    const found = read(new CachePacks(objectsIn(folder)), texts);
    expect(found.filter((each) => each !== 'damaged')).toHaveLength(2);
  }
});

test('a pack cut while its index is held gives no bytes of its lost objects', () => {
  using folder = temporaryFolder();
  const path = putPack(objectsIn(folder), ['first', 'second']);
  const packs = new CachePacks(objectsIn(folder));
  expect(read(packs, ['first', 'second'])).toEqual(['first', 'second']);
  chmodSync(path, 0o644);
  truncateSync(path, 7);
  expect(read(packs, ['first', 'second'])).toEqual(['first', 'damaged']);
});

test('a pack of a later version is named, not passed over', () => {
  using folder = temporaryFolder();
  const path = putPack(objectsIn(folder), ['a']);
  edit(path, (bytes) => bytes.write('2', bytes.length - 1));
  expect(() => new CachePacks(objectsIn(folder)).find(digestOf('a'))).toThrow(
    `${path} has format version 2, which this dv does not know`,
  );
  const task = { kind: 'check' as const, objectsDir: objectsIn(folder), digests: [digestOf('a')] };
  expect(() => checkObjects(task)).toThrow('format version 2');
});

test('a damaged copy does no harm while there is a whole one, in another pack or as a file', () => {
  using folder = temporaryFolder();
  const objectsDir = objectsIn(folder);
  const [one, two, three] = ['in two packs', 'in a pack and a file', 'damaged everywhere'] as const;
  const bad = (text: string) => ({
    bytes: Buffer.from(`${text.slice(0, -1)}!`),
    name: hexOf(digestOf(text)),
  });
  const packs = [
    putPack(objectsDir, [bad(one), bad(two), bad(three)]),
    putPack(objectsDir, [one, bad(two), bad(three)]),
  ];
  const path = (text: string) => {
    const hex = hexOf(digestOf(text));
    return `objects/${hex.slice(0, 2)}/${hex.slice(2)}`;
  };
  folder.write(path(two), two);
  folder.write(path(three), bad(three).bytes);
  const digests = [one, two, three].map(digestOf);
  // Whichever pack is found first.
  for (const again of [false, true]) {
    if (again) edit(packs[1]!, (bytes) => readFileSync(packs[0]!).copy(bytes));
    if (again) edit(packs[0]!, (bytes) => packOf([one, bad(two), bad(three)]).copy(bytes));
    const cache = { objectsDir };
    packsOf(cache).close();
    expect(readObject(cache, digests[0]!).toString()).toBe(one);
    expect(readObject(cache, digests[1]!).toString()).toBe(two);
    expect(() => readObject(cache, digests[2]!)).toThrow('no longer holds the bytes');
    expect(checkObjects({ kind: 'check', objectsDir, digests })).toEqual({
      problems: [{ digest: digests[2], problem: 'damaged' }],
    });
  }
});

test('relying on an object makes its pack young; a pack that is gone is not relied on', () => {
  using folder = temporaryFolder();
  const cache = { objectsDir: objectsIn(folder) };
  const path = putPack(cache.objectsDir, ['a', 'bb']);
  utimesSync(path, 1e9, 1e9);
  expect(holdsObject(cache, digestOf('a'), 1)).toBe(true);
  const [row] = [...packsOf({ objectsDir: cache.objectsDir }).list()];
  expect(row!.timeMs).toBe(1e12);
  const young = new CachePacks(cache.objectsDir).list()[0]!.timeMs;
  expect(Date.now() - young).toBeLessThan(10_000);
  const other = putPack(cache.objectsDir, ['c']);
  utimesSync(other, 1e9, 1e9);
  expect(packsOf(cache).find(digestOf('c'))).toBeDefined();
  rmSync(other);
  expect(holdsObject(cache, digestOf('c'), 1)).toBe(false);
  // Another size: it lost its bytes.
  expect(holdsObject(cache, digestOf('bb'), 1)).toBe(false);
});

test('what is listed has the later time of its copies, whichever pack was read first', async () => {
  using folder = temporaryFolder();
  const objectsDir = objectsIn(folder);
  const paths = [putPack(objectsDir, ['both', 'one']), putPack(objectsDir, ['both', 'two'])];
  for (const [i, path] of paths.entries()) utimesSync(path, 1e9 + i, 1e9 + i);
  const times = async () => {
    const list = await listObjects({ objectsDir });
    return ['both', 'one', 'two'].map((text) => list.times[list.row(hexOf(digestOf(text)))!]);
  };
  expect(await times()).toEqual([1e12 + 1000, 1e12, 1e12 + 1000]);
  utimesSync(paths[0]!, 1e9 + 2, 1e9 + 2);
  expect(await times()).toEqual([1e12 + 2000, 1e12 + 2000, 1e12 + 1000]);
});

test('size, missing and abbreviated digests: packed objects are as good as files', async () => {
  using folder = temporaryFolder();
  const cache = { objectsDir: objectsIn(folder), temporaryDir: folder.at('tmp') };
  const before = await cacheStamp(cache);
  const path = putPack(cache.objectsDir, ['packed', '']);
  const digest = digestOf('packed');
  expect(await cacheStamp(cache)).not.toBe(before);
  expect([objectSize(cache, digest), objectSize(cache, digestOf(''))]).toEqual([6, 0]);
  expect(missingObjects(cache, [digest, digestOf('x'), digestOf('')])).toEqual([digestOf('x')]);
  const many = Array.from({ length: 10_000 }, (_, i) => digestOf(`absent ${i}`));
  expect(missingObjects(cache, [...many, digest])).toHaveLength(10_000);
  expect(findObject(cache, hexOf(digest).slice(0, 10))).toBe(digest);
  rmSync(path);
  expect(hasObject(cache, digest)).toBe(true);
  packsOf(cache).refresh();
  expect(hasObject(cache, digest)).toBe(false);
  expect(missingObjects(cache, [digest])).toEqual([digest]);
});

test('an object found by fewer digits than tell it apart is told so across packs and files', () => {
  using folder = temporaryFolder();
  const cache = { objectsDir: objectsIn(folder) };
  const named = (tail: string) => `abcd${tail.padStart(60, '0')}`;
  putPack(cache.objectsDir, [{ bytes: Buffer.from('1'), name: named('1') }]);
  putPack(cache.objectsDir, [{ bytes: Buffer.from('2'), name: named('1') }]);
  expect(findObject(cache, 'abcd')).toBe(`sha256:${named('1')}` as Digest);
  putPack(cache.objectsDir, [{ bytes: Buffer.from('3'), name: named('2') }]);
  expect(() => findObject(cache, 'abcd')).toThrow('2 objects begin with abcd');
  folder.write(join('objects', 'ab', named('3').slice(2)), '4');
  expect(() => findObject(cache, 'abcd')).toThrow('3 objects begin with abcd');
});
