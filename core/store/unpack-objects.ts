/** Bytes of a remote's pack → objects for the cache, each checked against its digest. Synchronous. */
import { type Digest, digestOf } from '../model/digest.ts';
import { decodeStored, type Encoding } from '../model/place.ts';
import { type FilledSpace, PackFiller, type PackSpace } from './cache-pack-space.ts';
import { writeNewObject } from './new-objects.ts';

/** Part of a pack and the objects in it, in parallel lists. */
export interface UnpackTask {
  readonly kind: 'unpack';
  /** Existing folder for the new objects. */
  readonly folder: string;
  /** Where small objects go; without it, each becomes a file. */
  readonly space: PackSpace | undefined;
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
  /** Objects that are files in the folder. */
  readonly stored: Digest[];
  readonly filled: FilledSpace | undefined;
  /** Decoded bytes written. */
  readonly bytes: number;
}

/** Writes the objects that are whole. A file that is there already was written by somebody who checked it too. */
export function unpackObjects(task: UnpackTask): UnpackResult {
  const damaged: Digest[] = [];
  const stored: Digest[] = [];
  const filler = task.space && new PackFiller(task.space);
  let bytes = 0;
  task.digests.forEach((digest, i) => {
    const start = task.offsets[i]!;
    const encoded = task.bytes.subarray(start, start + task.lengths[i]!);
    const decoded =
      encoded.length === task.lengths[i] ? decodeStored(encoded, task.encodings[i]!) : undefined;
    if (decoded === undefined || digestOf(decoded) !== digest) {
      damaged.push(digest);
      return;
    }
    const room = filler?.room(decoded.length);
    if (filler !== undefined && room !== undefined) {
      room.set(decoded);
      filler.keep(digest, decoded.length);
    } else {
      writeNewObject(task.folder, digest, decoded);
      stored.push(digest);
    }
    bytes += decoded.length;
  });
  filler?.flush();
  return { damaged, stored, filled: filler?.filled, bytes };
}
