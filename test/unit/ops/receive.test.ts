import fc from 'fast-check';
import { expect, test } from 'vitest';
import { digestOf } from '../../../core/model/digest.ts';
import {
  joinGapBytes,
  planRanges,
  rangeBytes,
  receive,
  type Wanted,
} from '../../../core/ops/transfer/receive.ts';
import { hasObject } from '../../../core/store/cache.ts';
import { CacheWriter } from '../../../core/store/cache-writer.ts';
import type { Remote } from '../../../core/store/remote.ts';
import { blobKey } from '../../../core/store/remote-layout.ts';
import { ThreadPool } from '../../../core/store/thread-pool.ts';
import { openMemoryRemote } from '../../../remotes/memory.ts';
import { temporaryFolder } from '../../support/git-folder.ts';

const wanted = (pack: string, offset: number, length: number): Wanted => ({
  digest: digestOf(`${pack} ${offset}`),
  sizeBytes: length,
  place: { pack, offset, length, encoding: 0 },
});

test('neighbours come in one range, over small gaps only', () => {
  const ranges = planRanges([
    wanted('a', 100, 50),
    wanted('a', 0, 100),
    wanted('a', 150 + joinGapBytes, 10),
    wanted('a', 161 + 2 * joinGapBytes, 10),
    wanted('b', 7, 3),
  ]);
  expect(ranges.map(({ pack, offset, length, objects }) => [pack, offset, length, objects.length])).toEqual([
    ['a', 0, 160 + joinGapBytes, 3],
    ['a', 161 + 2 * joinGapBytes, 10, 1],
    ['b', 7, 3, 1],
  ]);
});

test('every object lies whole in one range of bounded length, whatever the order', () => {
  const object = fc.record({
    pack: fc.constantFrom('a', 'b'),
    offset: fc.integer({ min: 0, max: 64 << 20 }),
    length: fc.integer({ min: 0, max: 8 << 20 }),
  });
  fc.assert(
    fc.property(fc.array(object, { maxLength: 40 }), (places) => {
      const objects = places.map(({ pack, offset, length }) => wanted(pack, offset, length));
      const ranges = planRanges(objects);
      expect(ranges.flatMap((range) => range.objects)).toHaveLength(objects.length);
      for (const range of ranges) {
        expect(range.length).toBeLessThanOrEqual(rangeBytes);
        for (const { place } of range.objects) {
          expect(place.pack).toBe(range.pack);
          expect(place.offset).toBeGreaterThanOrEqual(range.offset);
          expect(place.offset + place.length).toBeLessThanOrEqual(range.offset + range.length);
        }
      }
    }),
  );
});

const blob = (bytes: Buffer): Wanted => ({
  digest: digestOf(bytes),
  sizeBytes: bytes.length,
  place: { pack: undefined, offset: 0, length: bytes.length, encoding: 0 },
});

/** Receives large objects into an empty cache. @param getRange takes the place of the remote's own. */
async function receiveBlobs(
  contents: readonly Buffer[],
  getRange?: (remote: Remote) => Remote['getRange'],
  signal?: AbortSignal,
) {
  using folder = temporaryFolder();
  const cache = { objectsDir: folder.at('objects'), temporaryDir: folder.at('tmp') };
  const remote = openMemoryRemote();
  for (const bytes of contents) await remote.put(blobKey(digestOf(bytes)), bytes);
  const pool = new ThreadPool();
  const writer = new CacheWriter(cache, pool);
  const arrived = { files: 0, bytes: 0 };
  try {
    const failed = await receive(contents.map(blob), {
      remote: { ...remote, ...(getRange === undefined ? {} : { getRange: getRange(remote) }) },
      writer,
      advance: (files, bytes) => {
        arrived.files += files;
        arrived.bytes += bytes;
      },
      signal,
    });
    const there = contents.map((bytes) => hasObject(cache, digestOf(bytes)));
    return { failed: failed.map(({ digest }) => digest), there, arrived };
  } finally {
    writer.discard();
    await pool.close();
  }
}

test.each([1, 2, 7])('%i large objects come side by side, in bounded memory used again', async (count) => {
  const contents = Array.from({ length: count }, (_, i) => Buffer.alloc((40 << 20) + i, `${i}`));
  const spaces = new Set<ArrayBufferLike>();
  let asked = 0;
  let mostAsked = 0;
  const result = await receiveBlobs(contents, (remote) => async (key, offset, lengthBytes, call) => {
    const into = call!.into!;
    expect(into.length).toBe(lengthBytes);
    spaces.add(into.buffer);
    mostAsked = Math.max(mostAsked, ++asked);
    into.set((await remote.getRange(key, offset, lengthBytes))!);
    asked--;
    return into;
  });
  const bytes = contents.reduce((sum, content) => sum + content.length, 0);
  expect(result).toEqual({ failed: [], there: contents.map(() => true), arrived: { files: count, bytes } });
  expect([...spaces].reduce((sum, space) => sum + space.byteLength, 0)).toBeLessThanOrEqual(96 << 20);
  expect(mostAsked).toBeGreaterThan(3);
});

test('a large object that is altered, cut or gone is named, and the others come', async () => {
  const contents = Array.from({ length: 5 }, (_, i) => Buffer.alloc(20 << 20, `${i}`));
  const [altered, cut, gone] = contents.map((bytes) => blobKey(digestOf(bytes)));
  const { failed, there, arrived } = await receiveBlobs(
    contents,
    (remote) =>
      async (key, offset, ...rest) => {
        if (key === gone) return undefined;
        const bytes = await remote.getRange(key, offset, ...rest);
        if (key === altered && offset > 0) bytes![5] = 0;
        return key === cut && offset > 0 ? bytes!.subarray(1) : bytes;
      },
  );
  expect(new Set(failed)).toEqual(new Set(contents.slice(0, 3).map(digestOf)));
  expect(there).toEqual([false, false, false, true, true]);
  expect(arrived.files).toBe(2);
});

test('a failing request ends it once nothing is on its way', async () => {
  const contents = Array.from({ length: 3 }, (_, i) => Buffer.alloc(30 << 20, `${i}`));
  let asked = 0;
  const receiving = receiveBlobs(contents, (remote) => async (key, offset, ...rest) => {
    asked++;
    try {
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (offset > 8 << 20) throw new Error('connection reset');
      return await remote.getRange(key, offset, ...rest);
    } finally {
      asked--;
    }
  });
  await expect(receiving).rejects.toThrow('connection reset');
  expect(asked).toBe(0);
});
