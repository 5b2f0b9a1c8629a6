/**
 * Part of a new pack that a task fills with objects. Which part is decided by whoever made the task (new-packs.ts), so
 * that several threads write to one pack and none knows of the others. Synchronous, for use on any thread.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { packedMostBytes } from '../model/cache-pack.ts';
import type { Digest } from '../model/digest.ts';

/** A part of a file. */
export interface PackSpace {
  /** Absolute; the file exists. */
  readonly file: string;
  /** Of the first byte, from the start of the file. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

/** What a task put into its part, in parallel lists; `offsets` are from the start of the file. */
export interface FilledSpace {
  readonly file: string;
  readonly digests: Digest[];
  readonly offsets: number[];
  readonly lengths: number[];
}

/** Bytes gathered before they are written. */
const gatherBytes = 4 * packedMostBytes;

/** Memory to gather in, one for each thread. */
let gathered: Buffer | undefined;

/**
 * Fills a part: get `room`, put an object's bytes there, then `keep` them. Nothing else on the thread may fill one at
 * the same time.
 */
export class PackFiller {
  readonly #space: PackSpace;
  readonly filled: FilledSpace;
  readonly #has = new Set<Digest>();
  readonly #memory: Buffer;
  /** Bytes of the part that are written. */
  #written = 0;
  /** Bytes in memory that are kept. */
  #waiting = 0;

  constructor(space: PackSpace) {
    this.#space = space;
    this.filled = { file: space.file, digests: [], offsets: [], lengths: [] };
    gathered ??= Buffer.allocUnsafeSlow(gatherBytes);
    this.#memory = gathered;
  }

  /**
   * Memory for the bytes of the next object, valid until `keep` or another `room`.
   * @returns undefined when the object is no small one, or there is no place left for it.
   */
  room(sizeBytes: number): Buffer | undefined {
    if (sizeBytes >= packedMostBytes) return undefined;
    if (this.#written + this.#waiting + sizeBytes > this.#space.length) return undefined;
    if (this.#waiting + sizeBytes > gatherBytes) this.flush();
    return this.#memory.subarray(this.#waiting, this.#waiting + sizeBytes);
  }

  /** Keeps what is in the memory as an object, unless the part has it already. */
  keep(digest: Digest, sizeBytes: number): void {
    if (this.#has.has(digest)) return;
    this.#has.add(digest);
    this.filled.digests.push(digest);
    this.filled.offsets.push(this.#space.offset + this.#written + this.#waiting);
    this.filled.lengths.push(sizeBytes);
    this.#waiting += sizeBytes;
  }

  /** Writes what waits in memory. To be called at the end, too. */
  flush(): void {
    if (this.#waiting === 0) return;
    const file = openSync(this.#space.file, 'r+');
    try {
      for (let at = 0; at < this.#waiting; ) {
        at += writeSync(file, this.#memory, at, this.#waiting - at, this.#space.offset + this.#written + at);
      }
    } finally {
      closeSync(file);
    }
    this.#written += this.#waiting;
    this.#waiting = 0;
  }
}
