/** Packs on their way into the cache: files in a temporary folder of which tasks fill parts, then closed and renamed. */
import { closeSync, fchmodSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';
import { cachePackMostBytes, formatCachePackColumns } from '../model/cache-pack.ts';
import type { Digest } from '../model/digest.ts';
import { temporaryName } from './atomic.ts';
import type { FilledSpace, PackSpace } from './cache-pack-space.ts';
import { packsFolder } from './cache-packs.ts';
import { withFolder } from './new-objects.ts';

/** A pack that is being filled. */
interface Draft {
  digests: Digest[];
  offsets: number[];
  lengths: number[];
}

/** New packs of one batch. */
export class NewPacks {
  readonly #drafts = new Map<string, Draft>();
  readonly #digests = new Set<Digest>();
  #current: { file: string; end: number } | undefined;

  /** Whether an object is in one of them. */
  has(digest: Digest): boolean {
    return this.#digests.has(digest);
  }

  /** How many objects are in them. */
  get size(): number {
    return this.#digests.size;
  }

  /**
   * Sets a part of a pack aside for a task.
   * @param folder existing, for the packs that are being filled.
   */
  reserve(folder: string, bytes: number): PackSpace {
    if (this.#current === undefined || this.#current.end + bytes > cachePackMostBytes) {
      const file = join(folder, `${temporaryName()}.pack`);
      closeSync(openSync(file, 'wx', 0o644));
      this.#drafts.set(file, { digests: [], offsets: [], lengths: [] });
      this.#current = { file, end: 0 };
    }
    const space = { file: this.#current.file, offset: this.#current.end, length: bytes };
    this.#current.end += bytes;
    return space;
  }

  /** Takes note of what a task filled in. An object that another task has brought, too, stays without a name there. */
  add({ file, digests, offsets, lengths }: FilledSpace): void {
    const draft = this.#drafts.get(file)!;
    digests.forEach((digest, i) => {
      if (this.#digests.has(digest)) return;
      this.#digests.add(digest);
      draft.digests.push(digest);
      draft.offsets.push(offsets[i]!);
      draft.lengths.push(lengths[i]!);
    });
  }

  /** Writes the columns of all packs; nobody may be filling one any more. @returns the complete files, not flushed. */
  finish(): string[] {
    const finished: string[] = [];
    for (const [path, draft] of this.#drafts) {
      if (draft.digests.length === 0) continue;
      const file = openSync(path, 'r+');
      try {
        const columns = formatCachePackColumns(draft);
        const { size, mode } = fstatSync(file);
        // An object of no bytes can be behind everything that was written.
        const end = draft.offsets.reduce(
          (most, offset, i) => Math.max(most, offset + draft.lengths[i]!),
          size,
        );
        for (let at = 0; at < columns.length; )
          at += writeSync(file, columns, at, columns.length - at, end + at);
        // What the umask left of it, and nobody writes.
        fchmodSync(file, mode & 0o444);
      } finally {
        closeSync(file);
      }
      finished.push(path);
    }
    return finished;
  }

  /** Forgets everything; the next batch gets packs of its own. */
  clear(): void {
    this.#drafts.clear();
    this.#digests.clear();
    this.#current = undefined;
  }
}

/** Gives complete, flushed packs their names in the cache. */
export function settlePacks(objectsDir: string, files: readonly string[]): void {
  for (const file of files) {
    const path = join(packsFolder(objectsDir), basename(file));
    withFolder(path, () => renameSync(file, path));
  }
}
