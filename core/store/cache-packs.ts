/**
 * The packs of a cache, `objects/packs/*.pack`: which objects are in them and where. Their columns are read once per
 * thread and looked at again when something is not found, as git does with its own.
 */
import { closeSync, fstatSync, lstatSync, openSync, readSync } from 'node:fs';
import { isDvError, systemCode } from '../errors.ts';
import { digestBytes } from '../model/binary.ts';
import {
  type CachePackColumns,
  cachePackColumnBytes,
  cachePackTailBytes,
  parseCachePackColumns,
} from '../model/cache-pack.ts';
import { type Digest, digestOf, hexOf } from '../model/digest.ts';
import { listFolder } from './list-folder.ts';

/** The folder of the packs. */
export const packsFolder = (objectsDir: string) => `${objectsDir}/packs`;

/** A pack file's name, without its folder. */
export const packFileName = /^[0-9a-z]+-[0-9a-f]{16}\.pack$/;

/** An object in a pack. */
export interface PackedObject {
  readonly pack: CachePack;
  /** Of its first byte. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

/** One pack. */
export interface CachePack {
  readonly path: string;
  /** Size of the file when it was looked at. */
  readonly sizeBytes: number;
  /** When it was written, or one of its objects last relied on. Milliseconds since 1970. */
  readonly timeMs: number;
  readonly columns: CachePackColumns;
}

/** Files kept open at once. */
const mostOpen = 32;
/** A folder this young may change again without its time telling. Milliseconds. */
const clockStepMs = 50;

/** The raw digest that is looked for; one for all lookups, since there are many. */
const wanted = Buffer.alloc(digestBytes);

const known = new Map<string, CachePacks>();

/** The packs of a cache, as this thread knows them. */
export function packsOf({ objectsDir }: { readonly objectsDir: string }): CachePacks {
  let packs = known.get(objectsDir);
  if (packs === undefined) {
    packs = new CachePacks(objectsDir);
    known.set(objectsDir, packs);
  }
  return packs;
}

/** Packs of one cache, and a hash table over all their objects. */
export class CachePacks {
  readonly #folder: string;
  readonly #packs = new Map<string, CachePack>();
  /** The packs in the order they became known; rows are counted through all of them, and each begins at a number. */
  #counted: { readonly pack: CachePack; readonly first: number }[] = [];
  /** How many rows there are. */
  #rows = 0;
  /** Open addressing, filled by half at most: 1 + number of a row, or 0. A million objects take 8 MB. */
  #slots = new Int32Array(0);
  /** Packs with objects that another pack has, too: seldom any. */
  #withSecondCopies = new Set<CachePack>();
  readonly #open = new Map<string, number>();
  /** Inode and time of the folder when it was listed; undefined: not yet. */
  #stamp: string | undefined;

  constructor(objectsDir: string) {
    this.#folder = packsFolder(objectsDir);
  }

  /** Where an object is. What came since the folder was listed is found, too. */
  find(digest: Digest): PackedObject | undefined {
    const found = this.findKnown(digest);
    return found === undefined && this.refresh() ? this.findKnown(digest) : found;
  }

  /** Where an object is, without looking whether there are new packs: for where not finding it does no harm. */
  findKnown(digest: Digest): PackedObject | undefined {
    if (this.#stamp === undefined) this.refresh();
    if (this.#rows === 0) return undefined;
    wanted.write(hexOf(digest), 'hex');
    const mask = this.#slots.length - 1;
    for (let slot = wanted.readUInt32BE() & mask; ; slot = (slot + 1) & mask) {
      const at = this.#slots[slot]! - 1;
      if (at < 0) return undefined;
      const { pack, first } = this.#packOf(at);
      const row = at - first;
      const { digests, offsets, lengths } = pack.columns;
      if (wanted.compare(digests, row * digestBytes, (row + 1) * digestBytes) !== 0) continue;
      return { pack, offset: offsets[row]!, length: lengths[row]! };
    }
  }

  /** Where an object is, in a pack that is open now. One that gc has rewritten meanwhile is found in its new place. */
  locate(digest: Digest): PackedObject | undefined {
    const found = this.find(digest);
    if (found === undefined || this.#openPack(found.pack) !== undefined) return found;
    this.refresh();
    const again = this.find(digest);
    return again !== undefined && this.#openPack(again.pack) !== undefined ? again : undefined;
  }

  /** All places that packs have an object in, one after the other: with the first where it is whole, stop. */
  *copies(digest: Digest): Generator<PackedObject> {
    const first = this.locate(digest);
    if (first === undefined) return;
    yield first;
    const raw = Buffer.from(hexOf(digest), 'hex');
    for (const pack of this.#withSecondCopies) {
      if (pack === first.pack) continue;
      const { digests, offsets, lengths } = pack.columns;
      let at = digests.indexOf(raw);
      while (at >= 0 && at % digestBytes !== 0) at = digests.indexOf(raw, at + 1);
      if (at < 0 || this.#openPack(pack) === undefined) continue;
      const row = at / digestBytes;
      yield { pack, offset: offsets[row]!, length: lengths[row]! };
    }
  }

  /** An object's bytes from the first copy that is whole, or, not being so, from the first; undefined: no pack has it. */
  readWhole(digest: Digest): Buffer | undefined {
    let damaged: Buffer | undefined;
    for (const object of this.copies(digest)) {
      const bytes = Buffer.allocUnsafe(object.length);
      const found = bytes.subarray(0, this.read(object, bytes, 0));
      if (digestOf(found) === digest) return found;
      damaged ??= found;
    }
    return damaged;
  }

  /** Everything that packs hold: an object that several have comes several times. */
  *objects(): Generator<PackedObject & { readonly hex: string }> {
    for (const pack of this.list()) {
      const { digests, offsets, lengths } = pack.columns;
      for (let row = 0; row < lengths.length; row++) {
        const hex = digests.toString('hex', row * digestBytes, (row + 1) * digestBytes);
        yield { pack, offset: offsets[row]!, length: lengths[row]!, hex };
      }
    }
  }

  /** All packs, after a look at what there is. */
  list(): CachePack[] {
    this.refresh();
    return [...this.#packs.values()];
  }

  /**
   * Reads part of an object.
   * @param at of the first byte, from the object's start.
   * @param object as `locate` gave it.
   * @returns bytes read: fewer than `into` has only at the end.
   */
  read({ pack, offset, length }: PackedObject, into: Uint8Array, at: number): number {
    const file = this.#openPack(pack);
    if (file === undefined) return 0;
    const wanted = Math.min(into.length, length - at);
    let got = 0;
    while (got < wanted) {
      const more = readSync(file, into, got, wanted - got, offset + at + got);
      if (more === 0) break;
      got += more;
    }
    return got;
  }

  /** Closes all files, so that packs can be removed on systems where open files cannot. */
  close(): void {
    for (const file of this.#open.values()) closeSync(file);
    this.#open.clear();
  }

  /** Lists the folder again if it may have changed. @returns whether anything came or went. */
  refresh(): boolean {
    const info = lstatSync(this.#folder, { throwIfNoEntry: false });
    const stamp = info === undefined ? 'none' : `${info.ino} ${info.mtimeMs}`;
    if (stamp === this.#stamp) return false;
    const before = new Set(this.#packs.keys());
    let came = false;
    for (const name of listFolder(this.#folder)) {
      if (before.delete(name) || !packFileName.test(name)) continue;
      const pack = openColumns(`${this.#folder}/${name}`);
      if (pack === undefined) continue;
      this.#packs.set(name, pack);
      came = true;
      this.#insertAll(pack);
    }
    for (const name of before) this.#packs.delete(name);
    if (before.size > 0) this.#rebuild();
    const isYoung = info !== undefined && Date.now() - info.mtimeMs < clockStepMs;
    this.#stamp = isYoung ? '' : stamp;
    return came || before.size > 0;
  }

  #rebuild(): void {
    this.#counted = [];
    this.#rows = 0;
    this.#slots = new Int32Array(0);
    this.#withSecondCopies = new Set();
    for (const pack of this.#packs.values()) this.#insertAll(pack);
  }

  #insertAll(pack: CachePack): void {
    const counted = { pack, first: this.#rows };
    this.#makeRoom(this.#rows + pack.columns.lengths.length);
    this.#counted.push(counted);
    this.#rows += pack.columns.lengths.length;
    this.#placeAll(counted);
  }

  #placeAll({ pack, first }: { pack: CachePack; first: number }): void {
    const rows = pack.columns.lengths.length;
    for (let row = 0; row < rows; row++) {
      if (!this.#place(pack, row, first + row)) this.#withSecondCopies.add(pack);
    }
  }

  /** The pack that a row is in, and the number of its first row. */
  #packOf(at: number): { readonly pack: CachePack; readonly first: number } {
    let low = 0;
    for (let high = this.#counted.length - 1; low < high; ) {
      const middle = (low + high + 1) >> 1;
      if (this.#counted[middle]!.first <= at) low = middle;
      else high = middle - 1;
    }
    return this.#counted[low]!;
  }

  /** Puts an object into a slot, unless another pack has it. */
  #place({ columns: { digests } }: CachePack, row: number, at: number): boolean {
    const mask = this.#slots.length - 1;
    const from = row * digestBytes;
    let slot = digests.readUInt32BE(from) & mask;
    for (; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const other = this.#slots[slot]! - 1;
      const { pack, first } = this.#packOf(other);
      const otherFrom = (other - first) * digestBytes;
      const { digests: others } = pack.columns;
      if (digests.compare(others, otherFrom, otherFrom + digestBytes, from, from + digestBytes) === 0)
        return false;
    }
    this.#slots[slot] = at + 1;
    return true;
  }

  #makeRoom(count: number): void {
    if (count * 2 <= this.#slots.length) return;
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(1024, count * 2))));
    for (const counted of this.#counted) this.#placeAll(counted);
  }

  #openPack({ path }: CachePack): number | undefined {
    const known = this.#open.get(path);
    if (known !== undefined) return known;
    if (this.#open.size >= mostOpen) {
      const [oldest, oldestFile] = this.#open.entries().next().value!;
      closeSync(oldestFile);
      this.#open.delete(oldest);
    }
    const file = openIfReadable(path);
    if (file !== undefined) this.#open.set(path, file);
    return file;
  }
}

/**
 * Reads a pack's columns; undefined when it is gone, or none, or not ours to read: what was in it counts as missing, and
 * comes again.
 * @throws {DvError} newer-format
 */
function openColumns(path: string): CachePack | undefined {
  const file = openIfReadable(path);
  if (file === undefined) return undefined;
  try {
    const { size, mtimeMs } = fstatSync(file);
    const tail = lastBytes(file, cachePackTailBytes, size);
    const bytes = tail === undefined ? undefined : lastBytes(file, cachePackColumnBytes(tail, path), size);
    if (bytes === undefined) return undefined;
    return { path, sizeBytes: size, timeMs: mtimeMs, columns: parseCachePackColumns(bytes, size, path) };
  } catch (error) {
    if (isDvError(error, 'invalid-file')) return undefined;
    throw error;
  } finally {
    closeSync(file);
  }
}

function openIfReadable(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'EACCES') return undefined;
    throw error;
  }
}

/** The last bytes of a file; undefined when it has not so many. */
function lastBytes(file: number, bytes: number, size: number): Buffer | undefined {
  if (bytes > size) return undefined;
  const into = Buffer.allocUnsafe(bytes);
  return readSync(file, into, 0, bytes, size - bytes) === bytes ? into : undefined;
}
