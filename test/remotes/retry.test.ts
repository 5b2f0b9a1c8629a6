import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { Collected, partsOf } from '../../remotes/collect.ts';
import { CutError, isNetworkHiccup, StalledError, withRetry } from '../../remotes/retry.ts';

const quick = { attempts: 4, firstDelayMs: 1, maxDelayMs: 2 };
const broken = (code: string) => Object.assign(new Error(code), { code });

test('tries again what may pass, and gives what came of it', async () => {
  const numbers: number[] = [];
  const result = await withRetry(
    async ({ number }) => {
      numbers.push(number);
      if (number < 3) throw broken('ECONNRESET');
      return 'done';
    },
    isNetworkHiccup,
    { policy: quick },
  );
  expect(result).toBe('done');
  expect(numbers).toEqual([1, 2, 3]);
});

test('gives up at once on what will not pass, and in the end on what could have', async () => {
  let tries = 0;
  const failing = (code: string) => async () => {
    tries++;
    throw broken(code);
  };
  await expect(withRetry(failing('EACCES'), isNetworkHiccup, { policy: quick })).rejects.toThrow('EACCES');
  expect(tries).toBe(1);
  await expect(withRetry(failing('ECONNRESET'), isNetworkHiccup, { policy: quick })).rejects.toThrow(
    'ECONNRESET',
  );
  expect(tries).toBe(1 + 4);
});

test('does not wait on once it is told to stop', async () => {
  const abort = new AbortController();
  const start = performance.now();
  const waiting = withRetry(
    async () => {
      setTimeout(() => abort.abort(new Error('stopped')), 10);
      throw broken('ECONNRESET');
    },
    isNetworkHiccup,
    { signal: abort.signal, policy: { attempts: 9, firstDelayMs: 60_000, maxDelayMs: 60_000 } },
  );
  await expect(waiting).rejects.toThrow('stopped');
  expect(performance.now() - start).toBeLessThan(5000);
});

test('knows a network failure behind others', () => {
  expect(isNetworkHiccup(new Error('fetch failed', { cause: broken('UND_ERR_SOCKET') }))).toBe(true);
  expect(isNetworkHiccup(new TypeError('no'))).toBe(false);
});

test('a body that ends early is a cut, and what arrived is kept for the next connection', async () => {
  const collected = new Collected();
  collected.expect(10);
  await expect(collected.read(Readable.from([Buffer.from('0123')]), {})).rejects.toBeInstanceOf(CutError);
  expect(collected.filled).toBe(4);
  collected.expect(99);
  await collected.read(Readable.from([Buffer.from('456'), Buffer.from('789')]), {});
  expect(Buffer.from(collected.take()).toString()).toBe('0123456789');
});

test('a body of unknown length is read to its end; one that is too long is refused', async () => {
  const open = new Collected();
  await open.read(Readable.from([Buffer.from('abc'), Buffer.from('defgh')]), {});
  expect(Buffer.from(open.take()).toString()).toBe('abcdefgh');
  const short = new Collected();
  short.expect(2);
  await expect(short.read(Readable.from([Buffer.from('abc')]), {})).rejects.toThrow('more than it said');
});

test('a body that stands still is given up, and one that is not wanted any more', async () => {
  const still = new Readable({ read() {} });
  still.push(Buffer.from('a'));
  await expect(new Collected().read(still, { idleMs: 30 })).rejects.toBeInstanceOf(StalledError);
  expect(still.destroyed).toBe(true);
  const abort = new AbortController();
  const unwanted = new Readable({ read() {} });
  setTimeout(() => abort.abort(new Error('stopped')), 10);
  await expect(new Collected().read(unwanted, { signal: abort.signal })).rejects.toThrow('stopped');
  expect(unwanted.destroyed).toBe(true);
});

test('a stream is cut into parts of one size', async () => {
  const pieces = async function* (lengths: number[]) {
    let next = 0;
    for (const length of lengths) yield Uint8Array.from({ length }, () => next++ & 255);
  };
  for (const lengths of [[], [0], [5], [10], [3, 3, 3, 3], [25], [1, 19, 10]]) {
    const parts: Buffer[] = [];
    for await (const part of partsOf(pieces(lengths), 10)) parts.push(part);
    const total = lengths.reduce((sum, length) => sum + length, 0);
    expect(parts.map((part) => part.length)).toEqual(
      total === 0
        ? [0]
        : [...Array<number>(Math.floor(total / 10)).fill(10), ...(total % 10 ? [total % 10] : [])],
    );
    expect([...Buffer.concat(parts)]).toEqual(Array.from({ length: total }, (_, i) => i & 255));
  }
});
