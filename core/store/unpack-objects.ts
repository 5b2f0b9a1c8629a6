/** Bytes of a pack → files for the cache, each checked against its digest. Synchronous. */
import { closeSync, mkdirSync, openSync, renameSync } from 'node:fs';
import { systemCode } from '../errors.ts';
import { type Digest, digestOf } from '../model/digest.ts';
import { decodeStored, type Encoding } from '../model/place.ts';
import { objectPath } from './cache.ts';
import { writeAll } from './stat-files.ts';

/** Part of a pack and the objects in it, in parallel lists. */
export interface UnpackTask {
  readonly kind: 'unpack';
  /** Existing folder for the files, named by the hex of their digest. */
  readonly folder: string;
  readonly bytes: Uint8Array;
  readonly digests: readonly Digest[];
  /** From the start of `bytes`. */
  readonly offsets: readonly number[];
  readonly lengths: readonly number[];
  readonly encodings: readonly Encoding[];
}

/** What was written. */
export interface UnpackResult {
  /** Objects whose bytes are not there or not those of the digest; nothing was written for them. */
  readonly damaged: Digest[];
  /** Decoded bytes written. */
  readonly bytes: number;
}

/** Writes the objects that are whole. A file that is there already was written by somebody who checked it too. */
export function unpackObjects(task: UnpackTask): UnpackResult {
  const damaged: Digest[] = [];
  let bytes = 0;
  task.digests.forEach((digest, i) => {
    const start = task.offsets[i]!;
    const stored = task.bytes.subarray(start, start + task.lengths[i]!);
    const decoded = stored.length === task.lengths[i] ? decodeStored(stored, task.encodings[i]!) : undefined;
    if (decoded === undefined || digestOf(decoded) !== digest) {
      damaged.push(digest);
      return;
    }
    writeNew(`${task.folder}/${digest.slice(7)}`, decoded);
    bytes += decoded.length;
  });
  return { damaged, bytes };
}

function writeNew(path: string, bytes: Uint8Array): void {
  let file: number;
  try {
    file = openSync(path, 'wx', 0o444);
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return;
    throw error;
  }
  try {
    writeAll(file, bytes);
  } finally {
    closeSync(file);
  }
}

/** Files to be given their names in the cache. */
export interface SettleTask {
  readonly kind: 'settle';
  /** Holds complete, flushed files named by the hex of their digest. */
  readonly folder: string;
  readonly objectsDir: string;
  readonly digests: readonly Digest[];
}

/** Renames files into the cache. */
export function settleObjects(task: SettleTask): Record<string, never> {
  const made = new Set<string>();
  for (const digest of task.digests) {
    const path = objectPath(task, digest);
    const folder = path.slice(0, path.lastIndexOf('/'));
    if (!made.has(folder)) {
      mkdirSync(folder, { recursive: true });
      made.add(folder);
    }
    renameSync(`${task.folder}/${digest.slice(7)}`, path);
  }
  return {};
}
