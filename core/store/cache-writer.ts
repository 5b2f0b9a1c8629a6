/** Adds objects to the cache in batches: temporary names, one flush, then their real names. */
import { renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DvError, systemCode } from '../errors.ts';
import { type Digest, digestOf } from '../model/digest.ts';
import { ArrivingObject } from './arriving-object.ts';
import { makeFolder, temporaryName } from './atomic.ts';
import { type Cache, hasObject, holdsOwnFile, objectPath } from './cache.ts';
import type { FilledSpace, PackSpace } from './cache-pack-space.ts';
import { packsFolder } from './cache-packs.ts';
import { flushFiles, flushFolders } from './flush.ts';
import { newObjectPath, settleObjects, withFolder, writeNewObject } from './new-objects.ts';
import { NewPacks, settlePacks } from './new-packs.ts';
import { sharePath } from './shared-cache.ts';
import type { ThreadPool } from './thread-pool.ts';
import type { UnpackResult, UnpackTask } from './unpack-objects.ts';

/**
 * Objects on their way into the cache. Nothing is visible under its digest before `commit`.
 * Guarantee: an object's file, once there under its name, is complete and durable; if the process dies before
 * `commit` ends, only files in `tmp/` are left over.
 */
export class CacheWriter {
  readonly #cache: Cache;
  readonly #pool: ThreadPool | undefined;
  readonly #folder: string;
  readonly #pending = new Set<Digest>();
  readonly #packs = new NewPacks();
  #made = false;

  /** @param pool threads for bulk work; without them everything is done on this one. */
  constructor(cache: Cache, pool?: ThreadPool) {
    this.#cache = cache;
    this.#pool = pool;
    this.#folder = join(cache.temporaryDir, temporaryName());
  }

  /** Whether an object is in the cache or in this batch. */
  has(digest: Digest): boolean {
    return this.#pending.has(digest) || this.#packs.has(digest) || hasObject(this.#cache, digest);
  }

  /**
   * Adds bytes under the name they must have, as a file. What is in a pack gets a second copy: to look there, all packs' columns
   * would have to be read, and it is mostly listings that come this way.
   * @throws {DvError} object-damaged when the bytes are not those of the digest; disk-full, not-writable.
   */
  add(digest: Digest, bytes: Uint8Array): void {
    if (this.#pending.has(digest) || holdsOwnFile(this.#cache, digest, bytes.length)) return;
    if (digestOf(bytes) !== digest) throw new DvError('object-damaged', { digest, path: 'what arrived' });
    const folder = this.folder();
    guardWrites(this.#cache, () => writeNewObject(folder, digest, bytes));
    this.#pending.add(digest);
  }

  /** Adds bytes under their digest, and gives it back. */
  put(bytes: Uint8Array): Digest {
    const digest = digestOf(bytes);
    this.add(digest, bytes);
    return digest;
  }

  /**
   * Adds the objects of part of a remote's pack; its memory is handed over.
   * @param pack whether small objects are to stay together in a pack; otherwise each becomes a file.
   * @returns the objects that are damaged there and were not added.
   * @throws {DvError} disk-full, not-writable
   */
  async unpack(part: Omit<UnpackTask, 'kind' | 'folder' | 'space'>, pack: boolean): Promise<UnpackResult> {
    const most = part.lengths.reduce((sum, length) => sum + length, 0);
    const space = pack ? this.reserve(most) : undefined;
    const task: UnpackTask = { kind: 'unpack', folder: this.folder(), space, ...part };
    const size = { files: part.digests.length, bytes: part.bytes.length };
    const result = await this.#writing(() => this.#threads().run<'unpack'>(task, size));
    this.adopt(result.stored, result.filled);
    return result;
  }

  /**
   * Adds an object of any size, piece by piece. It is under its name at once, without `commit`: large ones are flushed while
   * they arrive, and need not wait for others.
   * @param pieces those in memory that threads share are not copied first; they are done with when the next is asked for.
   * @returns whether the bytes were those of the digest.
   * @throws {DvError} disk-full, not-writable, and what the pieces throw.
   */
  async receive(digest: Digest, pieces: AsyncIterable<Uint8Array>): Promise<boolean> {
    const partial = join(this.folder(), `${temporaryName()}.part`);
    const object = guardWrites(this.#cache, () => new ArrivingObject(partial, this.#pool));
    try {
      for await (const piece of pieces) await this.#writing(() => object.add(piece));
      if ((await object.finish()) !== digest) return false;
      await this.#writing(async () => {
        await object.flush();
        const { sharedPermissions } = this.#cache;
        if (sharedPermissions !== undefined) sharePath(partial, sharedPermissions);
        const path = objectPath(this.#cache, digest);
        withFolder(path, () => renameSync(partial, path));
        await this.#flushNames([dirname(path)]);
      });
      return true;
    } finally {
      await object.close();
      rmSync(partial, { force: true });
    }
  }

  /** The folder for a task that writes new objects itself (see new-objects.ts); tell of them with `adopt`. */
  folder(): string {
    if (!this.#made) {
      guardWrites(this.#cache, () => makeFolder(this.#folder));
      this.#made = true;
    }
    return this.#folder;
  }

  /** Sets part of a new pack aside for a task that fills it itself (see cache-pack-space.ts); tell of it with `adopt`. */
  reserve(bytes: number): PackSpace {
    const folder = this.folder();
    return guardWrites(this.#cache, () => this.#packs.reserve(folder, bytes));
  }

  /**
   * Takes over complete, checked objects.
   * @param digests those written into `folder()`, one file each.
   * @param filled those in a part of a pack.
   */
  adopt(digests: Iterable<Digest>, filled?: FilledSpace): void {
    for (const digest of digests) this.#pending.add(digest);
    if (filled !== undefined) this.#packs.add(filled);
  }

  /** How many objects wait for `commit`. */
  get size(): number {
    return this.#pending.size + this.#packs.size;
  }

  /**
   * Makes all objects durable and gives them their names. The batch is empty afterwards and can go on. No object
   * may be on its way in meanwhile.
   */
  async commit(): Promise<void> {
    const digests = [...this.#pending];
    if (this.size === 0) return;
    const folder = this.#folder;
    const { objectsDir, sharedPermissions } = this.#cache;
    const slice = (from: number, to: number) =>
      ({ kind: 'settle', folder, objectsDir, sharedPermissions, digests: digests.slice(from, to) }) as const;
    await this.#writing(async () => {
      const packs = this.#packs.finish();
      if (sharedPermissions !== undefined) for (const pack of packs) sharePath(pack, sharedPermissions);
      await flushFiles(folder, [...packs, ...digests.map((digest) => newObjectPath(folder, digest))]);
      if (this.#pool === undefined) settleObjects(slice(0, digests.length));
      else await this.#pool.runSliced('settle', digests.length, slice, () => {});
      settlePacks(objectsDir, packs);
      const folders = digests.map((digest) => dirname(objectPath(this.#cache, digest)));
      await this.#flushNames([...folders, ...(packs.length > 0 ? [packsFolder(objectsDir)] : [])]);
    });
    this.#pending.clear();
    this.#packs.clear();
  }

  /** Drops what was not committed. Call it in any case, when done. */
  discard(): void {
    this.#pending.clear();
    this.#packs.clear();
    if (this.#made) rmSync(this.#folder, { recursive: true, force: true });
    this.#made = false;
  }

  /**
   * Makes new names in folders of the cache durable: a pointer written next, perhaps on another file system, must not be
   * there before them.
   */
  async #flushNames(inFolders: readonly string[]): Promise<void> {
    const { objectsDir, temporaryDir, sharedPermissions } = this.#cache;
    const folders = new Set(inFolders);
    if (sharedPermissions !== undefined) {
      for (const each of [temporaryDir, objectsDir, ...folders]) sharePath(each, sharedPermissions);
    }
    await flushFolders(objectsDir, [...folders, objectsDir]);
  }

  #threads(): ThreadPool {
    if (this.#pool === undefined) throw new Error('this cache writer was made without threads');
    return this.#pool;
  }

  async #writing<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      throw explainWriteFailure(error, this.#cache.objectsDir);
    }
  }
}

/** Runs something that writes into the cache, and turns a full disk or missing permission into our words. */
function guardWrites<Result>(cache: Cache, write: () => Result): Result {
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
