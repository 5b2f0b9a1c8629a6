/** Cache → pack: reads objects, checks each against its digest, and lays them one behind the other. Synchronous. */
import { randomFillSync } from 'node:crypto';
import { type Digest, digestOf, hexOf } from '../model/digest.ts';
import { formatPackFooter, nonceBytes, type PackedObject, packFooterBytes } from '../model/pack.ts';
import { encodeStored, storedDeflated, storedRaw } from '../model/place.ts';
import { objectSources, readChecked } from './object-source.ts';

/** Objects to put into one pack, in parallel lists. */
export interface PackTask {
  readonly kind: 'pack';
  readonly objectsDir: string;
  readonly digests: readonly Digest[];
  /** What the listing that names each object says of its size. */
  readonly sizes: readonly number[];
  /** Whether deflating is worth a try: listings shrink, data mostly does not. */
  readonly deflate: readonly boolean[];
  /** Memory of an earlier pack to use again. */
  readonly space: ArrayBuffer | undefined;
}

/** An object that could not be packed. */
export interface UnpackedObject {
  readonly digest: Digest;
  readonly reason: 'missing' | 'damaged';
}

/** A pack, ready to be sent. */
export interface PackResult {
  /** Holds the pack in its first `sizeBytes` bytes. */
  readonly space: ArrayBuffer;
  /** 0 when no object could be packed. */
  readonly sizeBytes: number;
  /** 64 hex digits. */
  readonly name: string;
  readonly objects: PackedObject[];
  /** Objects left out. */
  readonly failures: UnpackedObject[];
}

/** Makes a pack. Objects that are missing or damaged are left out and named. */
export function packObjects(task: PackTask): PackResult {
  const most = task.sizes.reduce((sum, size) => sum + size, packFooterBytes(task.digests.length));
  const space =
    task.space !== undefined && task.space.byteLength >= most ? task.space : new ArrayBuffer(most);
  const pack = Buffer.from(space);
  const objects: PackedObject[] = [];
  const failures: UnpackedObject[] = [];
  let offset = 0;
  task.digests.forEach((digest, i) => {
    const size = task.sizes[i]!;
    const bytes = pack.subarray(offset, offset + size);
    const problem = readInto(task, digest, bytes);
    if (problem !== undefined) {
      failures.push({ digest, reason: problem });
      return;
    }
    let length = size;
    let encoding = storedRaw;
    if (task.deflate[i]) {
      const encoded = encodeStored(bytes);
      if (encoded.encoding === storedDeflated) {
        pack.set(encoded.stored, offset);
        length = encoded.stored.length;
        encoding = encoded.encoding;
      }
    }
    objects.push({ digest, offset, length, encoding });
    offset += length;
  });
  if (objects.length === 0) return { space, sizeBytes: 0, name: '', objects, failures };
  const footer = formatPackFooter(objects, randomFillSync(Buffer.allocUnsafe(nonceBytes)));
  pack.set(footer, offset);
  const sizeBytes = offset + footer.length;
  return { space, sizeBytes, name: hexOf(digestOf(pack.subarray(0, sizeBytes))), objects, failures };
}

/** Fills memory with an object; says what is wrong when no copy of it fits there exactly. */
function readInto(task: PackTask, digest: Digest, bytes: Uint8Array): UnpackedObject['reason'] | undefined {
  let problem: UnpackedObject['reason'] = 'missing';
  for (const source of objectSources(task, digest)) {
    if (readChecked(source, digest, bytes)) return undefined;
    problem = 'damaged';
  }
  return problem;
}
