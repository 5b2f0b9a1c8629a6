import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isDvError } from '../../../core/errors.ts';
import { type Digest, digestOf } from '../../../core/model/digest.ts';
import { type Cache, hasObject, objectPath, objectSize, readObject } from '../../../core/store/cache.ts';
import { CacheWriter } from '../../../core/store/cache-writer.ts';
import { missingObjects } from '../../../core/store/objects.ts';
import { ThreadPool } from '../../../core/store/thread-pool.ts';
import { type TemporaryFolder, temporaryFolder } from '../../support/git-folder.ts';
import { canMountSmallDisk, remount, smallDisk } from '../../support/small-disk.ts';

const cacheIn = (folder: TemporaryFolder): Cache => ({
  objectsDir: folder.at('dv/objects'),
  temporaryDir: folder.at('dv/tmp'),
});

/** Everything in a folder, by path. */
function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath.slice(folder.length)}/${entry.name}`)
    .sort();
}

/** The code a piece of work fails with. */
async function failure(work: () => unknown): Promise<string | undefined> {
  try {
    await work();
  } catch (error) {
    if (isDvError(error)) return error.code;
    throw error;
  }
  return undefined;
}

async function* pieces(...parts: (string | Error)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Error) throw part;
    yield Buffer.from(part);
  }
}

describe('objects on their way into the cache', () => {
  test('are not there before the commit, and complete and read-only after it', async () => {
    using folder = temporaryFolder();
    const cache = cacheIn(folder);
    const writer = new CacheWriter(cache);
    const contents = Array.from({ length: 40 }, (_, i) => `content ${i}`);
    const digests = contents.map((content) => writer.put(Buffer.from(content)));
    expect(digests).toEqual(contents.map(digestOf));
    expect(writer.size).toBe(40);
    expect(filesBelow(cache.objectsDir)).toEqual([]);
    for (const digest of digests) {
      expect(hasObject(cache, digest)).toBe(false);
      expect(writer.has(digest)).toBe(true);
    }
    await writer.commit();
    writer.discard();
    expect(writer.size).toBe(0);
    expect(filesBelow(cache.temporaryDir)).toEqual([]);
    for (const [i, digest] of digests.entries()) {
      expect(readObject(cache, digest).toString()).toBe(contents[i]);
      expect(objectSize(cache, digest)).toBe(contents[i]!.length);
      expect(statSync(objectPath(cache, digest)).mode & 0o222).toBe(0);
    }
    expect(filesBelow(cache.objectsDir)).toEqual(
      digests.map((digest) => `/${digest.slice(7, 9)}/${digest.slice(9)}`).sort(),
    );
  });

  test('go into the same cache batch after batch, each object once', async () => {
    using folder = temporaryFolder();
    const cache = cacheIn(folder);
    const writer = new CacheWriter(cache);
    const a = writer.put(Buffer.from('a'));
    writer.put(Buffer.from('a'));
    expect(writer.size).toBe(1);
    await writer.commit();
    await writer.commit();
    const inode = statSync(objectPath(cache, a)).ino;
    writer.put(Buffer.from('a'));
    expect(writer.size).toBe(0);
    const b = writer.put(Buffer.from('b'));
    await writer.commit();
    expect(statSync(objectPath(cache, a)).ino).toBe(inode);
    expect(missingObjects(cache, [a, b, digestOf('c')])).toEqual([digestOf('c')]);
    writer.discard();
  });

  test('leave nothing when they are discarded', async () => {
    using folder = temporaryFolder();
    const cache = cacheIn(folder);
    const writer = new CacheWriter(cache);
    writer.put(Buffer.from('a'));
    writer.discard();
    expect(filesBelow(folder.path)).toEqual([]);
    expect(writer.has(digestOf('a'))).toBe(false);
    // And it can be used again.
    const b = writer.put(Buffer.from('b'));
    await writer.commit();
    expect(readObject(cache, b).toString()).toBe('b');
    writer.discard();
  });

  test('may come from two writers at once', async () => {
    using folder = temporaryFolder();
    const cache = cacheIn(folder);
    const writers = [new CacheWriter(cache), new CacheWriter(cache)];
    for (const writer of writers) for (let i = 0; i < 30; i++) writer.put(Buffer.from(`content ${i}`));
    await Promise.all(writers.map((writer) => writer.commit()));
    for (const writer of writers) writer.discard();
    for (let i = 0; i < 30; i++)
      expect(readObject(cache, digestOf(`content ${i}`)).toString()).toBe(`content ${i}`);
    expect(filesBelow(cache.objectsDir).length).toBe(30);
  });

  test('are refused when they are not what their name says', async () => {
    using folder = temporaryFolder();
    const cache = cacheIn(folder);
    const writer = new CacheWriter(cache);
    const digest = digestOf('right');
    expect(await failure(() => writer.add(digest, Buffer.from('wrong')))).toBe('object-damaged');
    expect(await writer.receive(digest, pieces('wro', 'ng'))).toBe(false);
    await writer.commit();
    expect(hasObject(cache, digest)).toBe(false);
    expect(filesBelow(folder.path)).toEqual([]);
    expect(await writer.receive(digest, pieces('ri', 'ght'))).toBe(true);
    await writer.commit();
    writer.discard();
    expect(readObject(cache, digest).toString()).toBe('right');
  });

  test('can be received again after the connection was cut', async () => {
    using folder = temporaryFolder();
    const cache = cacheIn(folder);
    const writer = new CacheWriter(cache);
    const digest = digestOf('right');
    const cut = writer.receive(digest, pieces('ri', new Error('connection reset')));
    await expect(cut).rejects.toThrow('connection reset');
    expect(filesBelow(folder.path)).toEqual([]);
    expect(writer.has(digest)).toBe(false);
    expect(await writer.receive(digest, pieces('right'))).toBe(true);
    await writer.commit();
    writer.discard();
    expect(readObject(cache, digest).toString()).toBe('right');
  });

  test.each([
    ['on this thread', () => undefined],
    ['on threads', () => new ThreadPool()],
  ])('are there as soon as they are received whole, each by itself, %s', async (_, makePool) => {
    using folder = temporaryFolder();
    const cache = cacheIn(folder);
    const pool = makePool();
    const writer = new CacheWriter(cache, pool);
    const waiting = writer.put(Buffer.from('waits for the commit'));
    const contents = Array.from({ length: 5 }, (_, i) =>
      Array.from({ length: 9 }, (_, piece) => `${i} ${piece} `.repeat(100_000)),
    );
    const digests = contents.map((parts) => digestOf(parts.join('')));
    const received = await Promise.all(
      contents.map(async (parts, i) => {
        const wrong = i === 2 ? [...parts, 'and more'] : parts;
        const whole = await writer.receive(digests[i]!, pieces(...wrong));
        expect(hasObject(cache, digests[i]!)).toBe(whole);
        return whole;
      }),
    );
    expect(received).toEqual([true, true, false, true, true]);
    expect(hasObject(cache, waiting)).toBe(false);
    await writer.commit();
    writer.discard();
    await pool?.close();
    for (const i of [0, 1, 3, 4]) {
      expect(readObject(cache, digests[i]!).toString()).toBe(contents[i]!.join(''));
      expect(statSync(objectPath(cache, digests[i]!)).mode & 0o222).toBe(0);
    }
    expect(filesBelow(cache.objectsDir).length).toBe(5);
    expect(filesBelow(cache.temporaryDir)).toEqual([]);
  });

  test('may be read by the group that shares the cache, received ones too', async () => {
    using folder = temporaryFolder();
    const cache = { ...cacheIn(folder), sharedPermissions: 0o660 };
    const before = process.umask(0o077);
    try {
      const writer = new CacheWriter(cache);
      expect(await writer.receive(digestOf('large'), pieces('lar', 'ge'))).toBe(true);
      writer.discard();
    } finally {
      process.umask(before);
    }
    const path = objectPath(cache, digestOf('large'));
    expect(statSync(path).mode & 0o777).toBe(0o440);
    expect(statSync(dirname(path)).mode & 0o2070).toBe(0o2070);
    expect(statSync(cache.objectsDir).mode & 0o2070).toBe(0o2070);
  });

  test('take the place of an object that lost its bytes', async () => {
    using folder = temporaryFolder();
    const cache = cacheIn(folder);
    const writer = new CacheWriter(cache);
    const digest = writer.put(Buffer.from('content'));
    await writer.commit();
    chmodSync(objectPath(cache, digest), 0o644);
    for (const damaged of ['', 'cont']) {
      writeFileSync(objectPath(cache, digest), damaged);
      expect(await failure(() => readObject(cache, digest))).toBe('object-damaged');
      writer.put(Buffer.from('content'));
      await writer.commit();
      expect(readObject(cache, digest).toString()).toBe('content');
      chmodSync(objectPath(cache, digest), 0o644);
    }
    writer.discard();
  });
});

describe('a cache that cannot be written', () => {
  test.skipIf(!canMountSmallDisk())('because its disk is full says so, and keeps what it had', async () => {
    using disk = smallDisk(256)!;
    const cache = cacheIn(disk);
    const writer = new CacheWriter(cache);
    const kept = writer.put(Buffer.from('kept'));
    await writer.commit();
    const big = Buffer.alloc(400_000, 'x');
    expect(await failure(() => writer.put(big))).toBe('disk-full');
    // What could not be written is not there, not even in part, for whoever goes on with this batch.
    expect(writer.has(digestOf(big))).toBe(false);
    expect(filesBelow(cache.temporaryDir)).toEqual([]);
    expect(await failure(() => writer.put(big))).toBe('disk-full');
    expect(await failure(() => writer.receive(digestOf(big), pieces(big.toString())))).toBe('disk-full');
    await writer.commit();
    writer.discard();
    expect(filesBelow(disk.path).length).toBe(1);
    expect(readObject(cache, kept).toString()).toBe('kept');
  });

  test.skipIf(process.getuid?.() === 0)('because it is read-only says so', async () => {
    using folder = temporaryFolder();
    const cache = cacheIn(folder);
    mkdirSync(folder.at('dv'), { mode: 0o555 });
    const writer = new CacheWriter(cache);
    expect(await failure(() => writer.put(Buffer.from('a')))).toBe('not-writable');
    chmodSync(folder.at('dv'), 0o755);
    expect(filesBelow(folder.path)).toEqual([]);
  });

  test.skipIf(!canMountSmallDisk())('because its file system is mounted read-only says so', async () => {
    using disk = smallDisk(256)!;
    const cache = cacheIn(disk);
    const writer = new CacheWriter(cache);
    const there = writer.put(Buffer.from('there'));
    await writer.commit();
    writer.put(Buffer.from('on its way'));
    remount(disk, 'ro');
    expect(await failure(() => writer.commit())).toBe('not-writable');
    expect(await failure(() => new CacheWriter(cache).put(Buffer.from('b')))).toBe('not-writable');
    expect(readObject(cache, there).toString()).toBe('there');
    remount(disk, 'rw');
    writer.discard();
    expect(hasObject(cache, digestOf('on its way'))).toBe(false);
  });
});

describe('reading', () => {
  test('an object that is not there or not intact is never given out', async () => {
    using folder = temporaryFolder();
    const cache = cacheIn(folder);
    const digest: Digest = digestOf('content');
    expect(await failure(() => readObject(cache, digest))).toBe('object-missing');
    expect(objectSize(cache, digest)).toBeUndefined();
    mkdirSync(folder.at('dv/objects', digest.slice(7, 9)), { recursive: true });
    writeFileSync(objectPath(cache, digest), 'tampered');
    expect(await failure(() => readObject(cache, digest))).toBe('object-damaged');
    writeFileSync(objectPath(cache, digest), 'content');
    expect(readObject(cache, digest)).toEqual(readFileSync(objectPath(cache, digest)));
  });

  test('one question for many objects has the answers of many questions', async () => {
    using folder = temporaryFolder();
    const cache = cacheIn(folder);
    const writer = new CacheWriter(cache);
    const all = Array.from({ length: 1500 }, (_, i) => `object ${i}`);
    for (const content of all.filter((_, i) => i % 3 === 0)) writer.put(Buffer.from(content));
    await writer.commit();
    writer.discard();
    const digests = all.map(digestOf);
    const absent = digests.filter((_, i) => i % 3 !== 0);
    expect(missingObjects(cache, [...digests, ...digests])).toEqual(absent);
    expect(missingObjects(cache, digests.slice(0, 50))).toEqual(
      absent.filter((digest) => digests.indexOf(digest) < 50),
    );
  });
});
