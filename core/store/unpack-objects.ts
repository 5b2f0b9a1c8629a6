/** Bytes of a pack → files for the cache, each checked against its digest. Synchronous. */
import { type Digest, digestOf } from '../model/digest.ts';
import { decodeStored, type Encoding } from '../model/place.ts';
import { writeNewObject } from './new-objects.ts';

/** Part of a pack and the objects in it, in parallel lists. */
export interface UnpackTask {
  readonly kind: 'unpack';
  /** Existing folder for the new objects. */
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
    writeNewObject(task.folder, digest, decoded);
    bytes += decoded.length;
  });
  return { damaged, bytes };
}
