/** What a cache holds, read as docs/format.md says and not by dv's own code. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One copy of an object: the 64 hex digits it is called by, and its bytes. */
interface StoredObject {
  readonly name: string;
  readonly bytes: Buffer;
}

/** All objects, files and packed ones. */
export function objectsIn(objectsDir: string): StoredObject[] {
  if (!existsSync(objectsDir)) return [];
  return readdirSync(objectsDir).flatMap((folder) =>
    readdirSync(join(objectsDir, folder)).flatMap((name) => {
      const bytes = readFileSync(join(objectsDir, folder, name));
      return folder === 'packs' ? unpack(bytes) : [{ name: folder + name, bytes }];
    }),
  );
}

/** The names of those whose bytes are not theirs. */
export function damagedObjects(objectsDir: string): string[] {
  return objectsIn(objectsDir).flatMap(({ name, bytes }) =>
    createHash('sha256').update(bytes).digest('hex') === name ? [] : [name],
  );
}

function unpack(pack: Buffer): StoredObject[] {
  if (pack.toString('latin1', pack.length - 8) !== 'dv-objs1') throw new Error('this is no pack');
  const count = pack.readUInt32LE(pack.length - 12);
  const digests = pack.length - 12 - count * 40;
  const offsets = digests + count * 32;
  const lengths = offsets + count * 4;
  return Array.from({ length: count }, (_, i) => {
    const offset = pack.readUInt32LE(offsets + 4 * i);
    return {
      name: pack.toString('hex', digests + 32 * i, digests + 32 * (i + 1)),
      bytes: pack.subarray(offset, offset + pack.readUInt32LE(lengths + 4 * i)),
    };
  });
}
