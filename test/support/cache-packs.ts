/** Packs of a cache, written as docs/format.md says and not by dv's own code. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** An object to pack; `name` is what it is called by where that is to be a lie. */
type Packed = string | { readonly bytes: Uint8Array; readonly name?: string };

const hexOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** The bytes of a pack. */
export function packOf(objects: readonly Packed[]): Buffer {
  const all = objects.map((object) => {
    if (typeof object === 'string') return { bytes: Buffer.from(object), name: hexOf(Buffer.from(object)) };
    return { bytes: object.bytes, name: object.name ?? hexOf(object.bytes) };
  });
  const parts: Uint8Array[] = [];
  const columns = { digests: [] as Buffer[], offsets: [] as Buffer[], lengths: [] as Buffer[] };
  const number = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
  let offset = 0;
  for (const { bytes, name } of all) {
    parts.push(bytes);
    columns.digests.push(Buffer.from(name, 'hex'));
    columns.offsets.push(number(offset));
    columns.lengths.push(number(bytes.length));
    offset += bytes.length;
  }
  const end = Buffer.concat([
    ...columns.digests,
    ...columns.offsets,
    ...columns.lengths,
    number(all.length),
    Buffer.from('dv-objs1'),
  ]);
  return Buffer.concat([...parts, createHash('sha256').update(end).digest(), end]);
}

let packs = 0;

/** Puts a pack into a cache, and gives its path. */
export function putPack(objectsDir: string, objects: readonly Packed[] | Buffer): string {
  const bytes = Buffer.isBuffer(objects) ? objects : packOf(objects);
  mkdirSync(join(objectsDir, 'packs'), { recursive: true });
  const path = join(objectsDir, 'packs', `test-${(++packs).toString(16).padStart(16, '0')}.pack`);
  writeFileSync(path, bytes, { mode: 0o444 });
  return path;
}

/** The packs of a cache, absolute, sorted. */
export function packsIn(objectsDir: string): string[] {
  const folder = join(objectsDir, 'packs');
  try {
    return readdirSync(folder)
      .sort()
      .map((name) => join(folder, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
