import { closeSync, openSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { digestOf } from '../../../core/model/digest.ts';
import type { StatTask } from '../../../core/store/stat-files.ts';
import { ThreadPool } from '../../../core/store/thread-pool.ts';
import { type TemporaryFolder, temporaryFolder } from '../../support/git-folder.ts';

/** The pieces of an object, each unlike all others. */
const piecesOf = (object: number, count: number) =>
  Array.from({ length: count }, (_, i) => Buffer.alloc(1000 + 97 * i, `${object} ${i};`));

/** Sends an object through a lane of its own, piece after piece; gives its digest. */
async function append(pool: ThreadPool, folder: TemporaryFolder, object: number, pieces: readonly Buffer[]) {
  const path = folder.at(`${object}`);
  const file = openSync(path, 'wx');
  const lane = pool.lane();
  try {
    for (const piece of pieces) await lane.run<'append'>({ kind: 'append', path, file, piece });
    return (await lane.run<'append'>({ kind: 'append', path, file, piece: undefined })).digest;
  } finally {
    lane.leave();
    closeSync(file);
  }
}

test('the tasks of a lane meet on one thread, whatever else the threads have to do', async () => {
  using folder = temporaryFolder();
  folder.write('a');
  const pool = new ThreadPool();
  try {
    // More lanes than threads, and tasks for any thread between theirs.
    const objects = Array.from({ length: 12 }, (_, object) => piecesOf(object, 20));
    const others: StatTask = { kind: 'stat', folder: folder.path, names: 'a' };
    const [digests] = await Promise.all([
      Promise.all(objects.map((pieces, object) => append(pool, folder, object, pieces))),
      ...Array.from({ length: 100 }, () => pool.run<'stat'>(others, { files: 1e6, bytes: 0 })),
    ]);
    expect(digests).toEqual(objects.map((pieces) => digestOf(Buffer.concat(pieces))));
    for (const [object, pieces] of objects.entries())
      expect(readFileSync(folder.at(`${object}`)).equals(Buffer.concat(pieces))).toBe(true);
  } finally {
    await pool.close();
  }
});

test('a lane that failed can go on, and so can all others', async () => {
  using folder = temporaryFolder();
  const pool = new ThreadPool();
  try {
    const path = folder.write('read-only');
    const file = openSync(path, 'r');
    const lane = pool.lane();
    const piece = Buffer.from('x');
    const failed = lane.run<'append'>({ kind: 'append', path, file, piece });
    await expect(failed).rejects.toMatchObject({ code: 'EBADF' });
    closeSync(file);
    lane.leave();
    const pieces = piecesOf(1, 3);
    expect(await append(pool, folder, 1, pieces)).toBe(digestOf(Buffer.concat(pieces)));
  } finally {
    await pool.close();
  }
});

test.each([1, 3])('this thread is free while others do a job of %i large files', async (count) => {
  using folder = temporaryFolder();
  const pool = new ThreadPool();
  // An answer of another thread comes when all promises of this one have been seen to; a task done here does not wait.
  let turned = false;
  const turn = async () => {
    for (let i = 0; i < 1000; i++) await undefined;
    turned = true;
  };
  void turn();
  try {
    const heard: boolean[] = [];
    await pool.runSliced(
      'stat',
      count,
      () => ({ kind: 'stat', folder: folder.path, names: 'a' }),
      () => heard.push(turned),
      { totalBytes: count * 2 ** 30 },
    );
    expect(heard).toEqual(Array.from({ length: count }, () => true));
  } finally {
    await pool.close();
  }
});
