/** Looks up where objects are, over any number of idx files, without making a string per object. */
import { digestBytes } from './binary.ts';
import type { Digest } from './digest.ts';
import type { Idx } from './idx.ts';
import { blobPlace, type Encoding, type Place } from './place.ts';

/** Everything some idx files say, as one hash table: about 20 bytes per object besides the columns themselves. */
export class PlaceTable {
  readonly #indexes: Idx[] = [];
  readonly #blobs = new Set<Digest>();
  /** Per entry: which idx, which row, and the next entry with the same hash (-1 ends the chain). */
  #source = new Uint32Array(0);
  #row = new Uint32Array(0);
  #next = new Int32Array(0);
  #heads = new Int32Array(0);
  #count = 0;
  readonly #key = Buffer.alloc(digestBytes);

  /** How many objects the table lists; an object in two packs counts twice. */
  get size(): number {
    return this.#count + this.#blobs.size;
  }

  /** Adds what an idx says. */
  add(idx: Idx): void {
    const added = idx.pack.length;
    const source = this.#indexes.push(idx) - 1;
    for (const blob of idx.blobs) this.#blobs.add(blob.digest);
    this.#reserve(this.#count + added);
    const digests = Buffer.from(idx.digests.buffer, idx.digests.byteOffset, idx.digests.byteLength);
    for (let row = 0; row < added; row++) {
      const entry = this.#count++;
      this.#source[entry] = source;
      this.#row[entry] = row;
      this.#link(entry, digests.readUInt32LE(row * digestBytes));
    }
  }

  #link(entry: number, hash: number): void {
    const slot = hash & (this.#heads.length - 1);
    this.#next[entry] = this.#heads[slot]!;
    this.#heads[slot] = entry;
  }

  #reserve(count: number): void {
    if (count <= this.#row.length) return;
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(1024, count)));
    const grown = <Column extends Uint32Array | Int32Array>(column: Column, made: Column): Column => {
      made.set(column);
      return made;
    };
    this.#source = grown(this.#source, new Uint32Array(capacity));
    this.#row = grown(this.#row, new Uint32Array(capacity));
    this.#next = new Int32Array(capacity);
    this.#heads = new Int32Array(capacity).fill(-1);
    for (let entry = 0; entry < this.#count; entry++) {
      const { digests } = this.#indexes[this.#source[entry]!]!;
      const at = this.#row[entry]! * digestBytes;
      this.#link(
        entry,
        (digests[at]! | (digests[at + 1]! << 8) | (digests[at + 2]! << 16) | (digests[at + 3]! << 24)) >>> 0,
      );
    }
  }

  /** Walks the entries of a digest until `visit` gives true. */
  #some(digest: Digest, visit: (idx: Idx, row: number) => boolean): boolean {
    if (this.#count === 0) return false;
    this.#key.write(digest.slice(7), 'hex');
    const slot = this.#key.readUInt32LE() & (this.#heads.length - 1);
    for (let entry = this.#heads[slot]!; entry !== -1; entry = this.#next[entry]!) {
      const idx = this.#indexes[this.#source[entry]!]!;
      const row = this.#row[entry]!;
      const at = row * digestBytes;
      if (this.#key.compare(idx.digests, at, at + digestBytes) === 0 && visit(idx, row)) return true;
    }
    return false;
  }

  /** Whether an object is listed. */
  has(digest: Digest): boolean {
    return this.#blobs.has(digest) || this.#some(digest, () => true);
  }

  /** All places of an object, those added last first. */
  places(digest: Digest): Place[] {
    const places: Place[] = [];
    this.#some(digest, (idx, row) => {
      places.push(placeIn(idx, row));
      return false;
    });
    if (this.#blobs.has(digest)) places.push(blobPlace);
    return places;
  }

  /** One place of an object, or undefined. */
  find(digest: Digest): Place | undefined {
    let place: Place | undefined;
    this.#some(digest, (idx, row) => {
      place = placeIn(idx, row);
      return true;
    });
    return place ?? (this.#blobs.has(digest) ? blobPlace : undefined);
  }
}

function placeIn(idx: Idx, row: number): Place {
  return {
    pack: idx.packs[idx.pack[row]!]!.name,
    offset: idx.offset[row]!,
    length: idx.length[row]!,
    encoding: idx.encoding[row] as Encoding,
  };
}
