import { truncateSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type Digest, DigestBuilder, digestOf } from '../../../core/model/digest.ts';
import { listFolder } from '../../../core/store/list-folder.ts';
import { followSignal } from '../../../core/store/stop-flag.ts';
import { ThreadPool } from '../../../core/store/thread-pool.ts';
import { type WriteTask, writeFiles } from '../../../core/store/write-files.ts';
import { type TemporaryFolder, temporaryFolder } from '../../support/git-folder.ts';

/** A task that writes objects into the folder `work`, by numbers as names. */
const taskFor = (folder: TemporaryFolder, objects: readonly [Digest, number][]): WriteTask => ({
  kind: 'write',
  root: folder.path,
  folder: 'work' as WriteTask['folder'],
  names: objects.map((_, i) => `${i}`).join('\0'),
  objectsDir: folder.at('objects'),
  digests: objects.map(([digest]) => digest),
  sizes: objects.map(([, sizeBytes]) => sizeBytes),
  modes: objects.map(() => '-'),
  replace: objects.map(() => false),
  link: 'copy',
});

const placeOf = (digest: Digest) => `objects/${digest.slice(7, 9)}/${digest.slice(9)}`;

/** An object of many zeros, of which the disk holds none. */
function zeros(folder: TemporaryFolder, sizeBytes: number): [Digest, number] {
  const hash = new DigestBuilder();
  const block = Buffer.alloc(1 << 20);
  for (let at = 0; at < sizeBytes; at += block.length) hash.update(block);
  const digest = hash.finish();
  truncateSync(folder.write(placeOf(digest)), sizeBytes);
  return [digest, sizeBytes];
}

test('a task that is told to stop writes nothing more', () => {
  using folder = temporaryFolder();
  const digest = digestOf('content');
  folder.write(placeOf(digest), 'content');
  const task = taskFor(folder, [[digest, 7]]);
  const abort = new AbortController();
  using stop = followSignal(abort.signal);
  expect(writeFiles({ ...task, stop: stop.flag }).reasons).toEqual([]);
  expect(listFolder(folder.at('work'))).toEqual(['0']);
  abort.abort();
  const again = { ...task, names: 'other', stop: stop.flag };
  expect(() => writeFiles(again)).toThrow(expect.objectContaining({ code: 'ECANCELED' }));
  expect(listFolder(folder.at('work'))).toEqual(['0']);
});

test('a task stops in the middle of a large file, and leaves nothing of it', async () => {
  using folder = temporaryFolder();
  const task = taskFor(folder, [zeros(folder, 512 << 20)]);
  const abort = new AbortController();
  using stop = followSignal(abort.signal);
  const pool = new ThreadPool();
  try {
    const writing = pool.run<'write'>({ ...task, stop: stop.flag }, { files: 1, bytes: 512 << 20 });
    writing.catch(() => {});
    while (listFolder(folder.at('work')).length === 0) await sleep(1);
    abort.abort();
    await expect(writing).rejects.toMatchObject({ code: 'ECANCELED' });
    expect(listFolder(folder.at('work'))).toEqual([]);
  } finally {
    await pool.close();
  }
});

test('a damaged large object is found on the way, and nothing is left', () => {
  using folder = temporaryFolder();
  const [digest, sizeBytes] = zeros(folder, 9 << 20);
  const damaged = Buffer.alloc(sizeBytes);
  damaged[sizeBytes - 1] = 1;
  folder.write(placeOf(digest), damaged);
  const result = writeFiles(taskFor(folder, [[digest, sizeBytes]]));
  expect(result.damaged).toEqual([digest]);
  expect(listFolder(folder.at('work'))).toEqual([]);
});
