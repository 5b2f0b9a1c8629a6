/** Objects that arrive in bulk: written and checked on threads, flushed together, then given their names. */
import { closeSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Digest, DigestBuilder } from '../model/digest.ts';
import { temporaryName } from './atomic.ts';
import type { Cache } from './cache.ts';
import { explainWriteFailure } from './cache-writer.ts';
import { flushFiles } from './flush.ts';
import { writeAll } from './stat-files.ts';
import type { TransferPool } from './transfer-pool.ts';
import type { UnpackResult, UnpackTask } from './unpack-objects.ts';

/** How many files one thread names at a time. */
const settleAtOnce = 2000;

/**
 * A folder of arrivals. Nothing is visible under its digest before `settle`.
 * Guarantee: an object's file, once it has its name, is complete and durable; if the process dies before, only
 * files in `tmp/` are left over.
 */
export class Inbox {
  readonly #cache: Cache;
  readonly #pool: TransferPool;
  readonly #folder: string;
  readonly #waiting = new Set<Digest>();
  #made = false;

  constructor(cache: Cache, pool: TransferPool) {
    this.#cache = cache;
    this.#pool = pool;
    this.#folder = join(cache.temporaryDir, temporaryName());
  }

  #prepare(): string {
    if (!this.#made) mkdirSync(this.#folder, { recursive: true });
    this.#made = true;
    return this.#folder;
  }

  async #writing<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      throw explainWriteFailure(error, this.#cache.objectsDir);
    }
  }

  /**
   * Takes the objects of part of a pack; its memory is handed over.
   * @returns the objects that are damaged there and were not taken.
   * @throws {DvError} disk-full, not-writable
   */
  unpack(part: Omit<UnpackTask, 'kind' | 'folder'>): Promise<UnpackResult> {
    return this.#writing(async () => {
      const result = await this.#pool.run<'unpack'>({ kind: 'unpack', folder: this.#prepare(), ...part });
      const damaged = new Set(result.damaged);
      for (const digest of part.digests) if (!damaged.has(digest)) this.#waiting.add(digest);
      return result;
    });
  }

  /**
   * Takes an object of any size, piece by piece.
   * @returns whether the bytes were those of the digest.
   * @throws {DvError} disk-full, not-writable, and what the pieces throw.
   */
  async receive(digest: Digest, pieces: AsyncIterable<Uint8Array>): Promise<boolean> {
    const partial = await this.#writing(async () => join(this.#prepare(), `${digest.slice(7)}.part`));
    const file = await this.#writing(async () => openSync(partial, 'w', 0o444));
    const hash = new DigestBuilder();
    try {
      for await (const piece of pieces) {
        hash.update(piece);
        await this.#writing(async () => writeAll(file, piece));
      }
    } finally {
      closeSync(file);
    }
    if (hash.finish() !== digest) {
      rmSync(partial, { force: true });
      return false;
    }
    await this.#writing(async () => renameSync(partial, join(this.#folder, digest.slice(7))));
    this.#waiting.add(digest);
    return true;
  }

  /** Makes everything taken so far durable and gives it its names. No object may be on its way in meanwhile. */
  async settle(): Promise<void> {
    const digests = [...this.#waiting];
    if (digests.length === 0) return;
    await this.#writing(async () => {
      await flushFiles(
        this.#folder,
        digests.map((digest) => join(this.#folder, digest.slice(7))),
      );
      const parts: Digest[][] = [];
      for (let i = 0; i < digests.length; i += settleAtOnce) parts.push(digests.slice(i, i + settleAtOnce));
      const { objectsDir } = this.#cache;
      await Promise.all(
        parts.map((part) =>
          this.#pool.run<'settle'>({ kind: 'settle', folder: this.#folder, objectsDir, digests: part }),
        ),
      );
    });
    this.#waiting.clear();
  }

  /** Drops what was not settled. */
  discard(): void {
    this.#waiting.clear();
    if (this.#made) rmSync(this.#folder, { recursive: true, force: true });
    this.#made = false;
  }
}
