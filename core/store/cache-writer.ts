/** Adds objects to the cache in batches: temporary names, one flush, then their real names. */
import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DvError, systemCode } from '../errors.ts';
import { type Digest, digestOf } from '../model/digest.ts';
import { temporaryName } from './atomic.ts';
import { type Cache, hasObject, objectPath } from './cache.ts';
import { flushFiles } from './flush.ts';

/**
 * Objects on their way into the cache. Nothing is visible under its digest before `commit`.
 * Guarantee: an object's file, once there under its name, is complete; if the process dies before `commit`
 * ends, only files in `tmp/` are left over.
 */
export class CacheWriter {
  readonly #cache: Cache;
  readonly #folder: string;
  readonly #pending = new Map<Digest, string>();
  #made = false;

  constructor(cache: Cache) {
    this.#cache = cache;
    this.#folder = join(cache.temporaryDir, temporaryName());
  }

  /** Whether an object is in the cache or in this batch. */
  has(digest: Digest): boolean {
    return this.#pending.has(digest) || hasObject(this.#cache, digest);
  }

  /**
   * Adds bytes under the name they must have.
   * @throws {DvError} object-damaged when the bytes are not those of the digest; disk-full, not-writable.
   */
  add(digest: Digest, bytes: Uint8Array): void {
    if (this.has(digest)) return;
    if (digestOf(bytes) !== digest) throw new DvError('object-damaged', { digest, path: 'what arrived' });
    const temporary = this.temporaryFor(digest);
    guardWrites(this.#cache, () => writeFileSync(temporary, bytes, { flag: 'wx', mode: 0o444 }));
    this.adopt(digest, temporary);
  }

  /** Adds bytes under their digest, and gives it back. */
  put(bytes: Uint8Array): Digest {
    const digest = digestOf(bytes);
    this.add(digest, bytes);
    return digest;
  }

  /** The folder for files that a caller writes itself, each named by the hex of its digest. */
  folder(): string {
    if (!this.#made) {
      guardWrites(this.#cache, () => mkdirSync(this.#folder, { recursive: true }));
      this.#made = true;
    }
    return this.#folder;
  }

  /** A path for a caller that writes the object's file itself; hand it over with `adopt`. */
  temporaryFor(digest: Digest): string {
    return join(this.folder(), digest.slice(7));
  }

  /** Takes over a complete, checked file written at `temporaryFor(digest)`. */
  adopt(digest: Digest, temporary: string): void {
    this.#pending.set(digest, temporary);
  }

  /** How many objects wait for `commit`. */
  get size(): number {
    return this.#pending.size;
  }

  /** Makes all objects durable and gives them their names. The batch is empty afterwards and can go on. */
  async commit(): Promise<void> {
    if (this.#pending.size === 0) return;
    await flushFiles(this.#folder, [...this.#pending.values()]);
    const made = new Set<string>();
    guardWrites(this.#cache, () => {
      for (const [digest, temporary] of this.#pending) {
        const path = objectPath(this.#cache, digest);
        const folder = dirname(path);
        if (!made.has(folder)) {
          mkdirSync(folder, { recursive: true });
          made.add(folder);
        }
        chmodSync(temporary, 0o444);
        renameSync(temporary, path);
      }
    });
    this.#pending.clear();
    this.discard();
  }

  /** Drops what was not committed. */
  discard(): void {
    this.#pending.clear();
    if (this.#made) rmSync(this.#folder, { recursive: true, force: true });
    this.#made = false;
  }
}

/** Runs something that writes into the cache, and turns a full disk or missing permission into our words. */
export function guardWrites<Result>(cache: Cache, write: () => Result): Result {
  try {
    return write();
  } catch (error) {
    throw explainWriteFailure(error, cache.objectsDir);
  }
}

/** A system error of a write as a dv failure where we can say what to do; any other error as it is. */
export function explainWriteFailure(error: unknown, path: string): unknown {
  switch (systemCode(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new DvError('disk-full', { path }, { cause: error });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new DvError('not-writable', { path }, { cause: error });
    default:
      return error;
  }
}
