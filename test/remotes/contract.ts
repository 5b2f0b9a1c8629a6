/** What any remote must do. Each driver's test file runs it. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Remote, RemoteEntry, RemoteSource } from '../../core/store/remote.ts';

/** A place where a driver is tried. */
export interface ContractWorld {
  /** Opens the place once more, as another process would. */
  open(): Promise<Remote> | Remote;
  close?(): Promise<void>;
}

/** How much of the contract a place is trusted for. */
export interface ContractOptions {
  /** Keys for the listing of several pages; clouds give 1,000 at a time. */
  readonly listedKeys?: number;
  /** Bytes of the value that is sent in parts. */
  readonly largeBytes?: number;
}

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined) => value && Buffer.from(value).toString();

const sourceOf = (value: Uint8Array, pieceBytes = 1 << 20): RemoteSource => ({
  sizeBytes: value.length,
  async *read() {
    for (let at = 0; at < value.length; at += pieceBytes) yield value.subarray(at, at + pieceBytes);
  },
});

async function listAll(remote: Remote, prefix: string): Promise<RemoteEntry[]> {
  const entries: RemoteEntry[] = [];
  for await (const entry of remote.list(prefix)) entries.push(entry);
  return entries.sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** Runs the contract against a driver. */
export function remoteContract(
  name: string,
  makeWorld: () => Promise<ContractWorld> | ContractWorld,
  options: ContractOptions = {},
): void {
  const { listedKeys = 60, largeBytes = 3 << 20 } = options;
  describe(`remote contract: ${name}`, () => {
    let world: ContractWorld;
    let remote: Remote;
    beforeAll(async () => {
      world = await makeWorld();
      remote = await world.open();
    });
    afterAll(async () => {
      await remote?.close();
      await world?.close?.();
    });

    test('says nothing of a key that is not there', async () => {
      expect(await remote.get('none/a')).toBeUndefined();
      expect(await remote.getRange('none/a', 0, 10)).toBeUndefined();
      expect(await remote.head('none/a')).toBeUndefined();
      expect(await listAll(remote, 'none/')).toEqual([]);
      expect(await remote.delete('none/a')).toBe(false);
    });

    test('gives back what was put, whole and in ranges', async () => {
      const value = randomBytes(100_000);
      await remote.put('values/a.bin', value);
      expect(Buffer.from((await remote.get('values/a.bin'))!).equals(value)).toBe(true);
      for (const [offset, length] of [
        [0, 1],
        [10, 20],
        [99_990, 10],
        [0, 100_000],
      ] as const) {
        const range = await remote.getRange('values/a.bin', offset, length);
        expect(Buffer.from(range!).equals(value.subarray(offset, offset + length))).toBe(true);
      }
      expect(await remote.head('values/a.bin')).toMatchObject({ key: 'values/a.bin', sizeBytes: 100_000 });
    });

    test('gives what there is when a range goes past the end, and nothing behind it', async () => {
      await remote.put('values/short', bytes('0123456789'));
      expect(text(await remote.getRange('values/short', 6, 100))).toBe('6789');
      expect(text(await remote.getRange('values/short', 10, 5))).toBe('');
      expect(text(await remote.getRange('values/short', 500, 5))).toBe('');
    });

    test('reads ranges into memory it is given, or into its own', async () => {
      const value = randomBytes(100_000);
      await remote.put('values/into', value);
      const space = new ArrayBuffer(80_000);
      for (const [offset, length, there] of [
        [5000, 60_000, 60_000],
        [0, 80_000, 80_000],
        [70_000, 50_000, 30_000],
        [100_000, 10, 0],
      ] as const) {
        // Longer than what may be filled: nothing beyond it is touched.
        new Uint8Array(space).fill(7);
        const into = new Uint8Array(space, 0, Math.min(length, 50_000));
        const got = await remote.getRange('values/into', offset, into.length, { into });
        const expected = value.subarray(offset, offset + Math.min(into.length, there));
        expect(Buffer.from(got!).equals(expected)).toBe(true);
        expect(new Uint8Array(space, into.length).every((byte) => byte === 7)).toBe(true);
      }
    });

    test('stores an empty value', async () => {
      await remote.put('values/empty', new Uint8Array(0));
      expect(text(await remote.get('values/empty'))).toBe('');
      expect(await remote.head('values/empty')).toMatchObject({ sizeBytes: 0 });
    });

    test('put replaces, and the version changes', async () => {
      await remote.put('values/b', bytes('one'));
      const before = await remote.head('values/b');
      await remote.put('values/b', bytes('two'));
      expect(text(await remote.get('values/b'))).toBe('two');
      expect((await remote.head('values/b'))?.version).not.toBe(before?.version);
    });

    test('gives bytes that belong to the caller', async () => {
      await remote.put('values/own', bytes('abc'));
      const first = await remote.get('values/own');
      first!.fill(0);
      expect(text(await remote.get('values/own'))).toBe('abc');
    });

    test('puts if absent, once', async () => {
      expect(await remote.putIfAbsent('once/a', bytes('first'))).toBe(true);
      expect(await remote.putIfAbsent('once/a', bytes('second'))).toBe(false);
      expect(text(await remote.get('once/a'))).toBe('first');
    });

    test('lets one of many win that put a key if absent at once, and keeps its bytes', async () => {
      for (let round = 0; round < 3; round++) {
        const key = `race/${round}`;
        const others = await Promise.all(Array.from({ length: 8 }, () => world.open()));
        const values = others.map((_, i) => Buffer.alloc(50_000, i));
        const won = await Promise.all(others.map((other, i) => other.putIfAbsent(key, values[i]!)));
        expect(won.filter((win) => win)).toHaveLength(1);
        expect(Buffer.from((await remote.get(key))!).equals(values[won.indexOf(true)]!)).toBe(true);
        await Promise.all(others.map((other) => other.close()));
      }
    });

    test('stores a large value from a stream', async () => {
      const value = randomBytes(largeBytes + 12_345);
      await remote.putStream('large/a', sourceOf(value));
      expect(await remote.head('large/a')).toMatchObject({ sizeBytes: value.length });
      const end = await remote.getRange('large/a', value.length - 1000, 1000);
      expect(Buffer.from(end!).equals(value.subarray(-1000))).toBe(true);
      expect(Buffer.from((await remote.get('large/a'))!).equals(value)).toBe(true);
    });

    test('stores small and empty values from a stream', async () => {
      await remote.putStream('large/small', sourceOf(bytes('small')));
      expect(text(await remote.get('large/small'))).toBe('small');
      await remote.putStream('large/none', sourceOf(new Uint8Array(0)));
      expect(text(await remote.get('large/none'))).toBe('');
    });

    test('keeps a key as it was when the stream fails, and throws what it threw', async () => {
      await remote.put('large/kept', bytes('old'));
      const failing: RemoteSource = {
        sizeBytes: largeBytes,
        async *read() {
          yield new Uint8Array(largeBytes - 1);
          throw new Error('the source broke');
        },
      };
      await expect(remote.putStream('large/kept', failing)).rejects.toThrow('the source broke');
      expect(text(await remote.get('large/kept'))).toBe('old');
      await expect(remote.putStream('large/never', failing)).rejects.toThrow('the source broke');
      expect(await remote.head('large/never')).toBeUndefined();
      expect(await listAll(remote, 'large/never')).toEqual([]);
    });

    test('lists keys below a prefix, over several pages, and no others', async () => {
      const keys = Array.from({ length: listedKeys }, (_, i) => `list/${String(i).padStart(5, '0')}`);
      for (let at = 0; at < keys.length; at += 32) {
        await Promise.all(keys.slice(at, at + 32).map((key) => remote.put(key, bytes(key))));
      }
      await remote.put('listother/x', bytes('x'));
      const entries = await listAll(remote, 'list/');
      expect(entries.map((entry) => entry.key)).toEqual(keys);
      expect(entries[0]).toMatchObject({ key: 'list/00000', sizeBytes: 10 });
      expect(entries[0]!.version).toBe((await remote.head('list/00000'))!.version);
      expect((await listAll(remote, 'list/0000')).map((entry) => entry.key)).toEqual(keys.slice(0, 10));
    });

    test('lists keys in folders below a prefix', async () => {
      for (const key of ['deep/a/1', 'deep/b/2', 'deep/b/c/3', 'deeper']) await remote.put(key, bytes(key));
      expect((await listAll(remote, 'deep/')).map((entry) => entry.key)).toEqual([
        'deep/a/1',
        'deep/b/2',
        'deep/b/c/3',
      ]);
    });

    test('deletes, and only the version it was told', async () => {
      await remote.put('gone/a', bytes('one'));
      const version = (await remote.head('gone/a'))!.version;
      await remote.put('gone/a', bytes('two!'));
      expect(await remote.delete('gone/a', { version })).toBe(false);
      expect(text(await remote.get('gone/a'))).toBe('two!');
      expect(await remote.delete('gone/a', { version: (await remote.head('gone/a'))!.version })).toBe(true);
      expect(await remote.get('gone/a')).toBeUndefined();
      await remote.put('gone/b', bytes('one'));
      expect(await remote.delete('gone/b')).toBe(true);
      expect(await remote.head('gone/b')).toBeUndefined();
      // What was deleted can be put again.
      expect(await remote.putIfAbsent('gone/b', bytes('again'))).toBe(true);
    });

    test('stops when it is told to', async () => {
      const signal = AbortSignal.abort(new Error('stopped by the user'));
      await remote.put('stop/a', bytes('a'));
      await expect(remote.get('stop/a', { signal })).rejects.toThrow('stopped by the user');
      await expect(remote.getRange('stop/a', 0, 1, { signal })).rejects.toThrow('stopped by the user');
      await expect(remote.put('stop/b', bytes('b'), { signal })).rejects.toThrow('stopped by the user');
      await expect(remote.putStream('stop/c', sourceOf(bytes('c')), { signal })).rejects.toThrow(
        'stopped by the user',
      );
      expect(await remote.head('stop/b')).toBeUndefined();
      expect(await remote.head('stop/c')).toBeUndefined();
    });

    test('refuses keys that lead elsewhere', async () => {
      for (const key of [
        '',
        '/a',
        'a/',
        'a//b',
        '../a',
        'a/../b',
        './a',
        'a/.',
        '.tmp/a',
        'a b',
        'a\\b',
        'ä',
        'a\0',
      ]) {
        await expect((async () => remote.put(key, bytes('x')))()).rejects.toThrow('no key');
        await expect((async () => remote.get(key))()).rejects.toThrow('no key');
        await expect((async () => remote.delete(key))()).rejects.toThrow('no key');
      }
    });
  });
}
