/** Workspace → digests: what is at a path now, and (when asked) its bytes in the cache. */
import { lstatSync } from 'node:fs';
import { DvError, isDvError } from '../errors.ts';
import type { Report } from '../events.ts';
import type { Pointer } from '../model/pointer.ts';
import type { RepoPath } from '../model/repo-path.ts';
import type { TreeEntry } from '../model/tree.ts';
import { CacheWriter, explainWriteFailure } from './cache-writer.ts';
import { type Look, lookAt } from './capture-look.ts';
import { absolutePath, type Repo } from './repo.ts';
import { ThreadPool } from './thread-pool.ts';

/** A file that could not be read. */
export interface FileFailure {
  readonly path: RepoPath;
  readonly reason: string;
}

/** What was found at a path. */
export interface Captured {
  /** What a pointer to it would say. */
  readonly pointer: Pointer;
  /** The listing when it is a folder; one entry with the path `''` when it is a file. */
  readonly entries: readonly TreeEntry[];
  /** Files left out because they could not be read. */
  readonly failures: readonly FileFailure[];
  /** How many files were read, rather than known from the stat index. */
  readonly filesRead: number;
}

/** How to capture. */
export interface CaptureOptions {
  /** Whether objects (files and the tree) are put into the cache; otherwise only digests are computed. */
  readonly store: boolean;
  /**
   * Without `store`: notes what is there as recorded all the same, and puts the listing, which is small, into the
   * cache. The files' own bytes are then nowhere but in the workspace.
   */
  readonly record?: boolean;
  /**
   * Keeps the listing of a folder that dv does not track, so that the next look reads only what changed.
   * Has no effect on tracked paths, whose index must go on saying what dv recorded.
   */
  readonly remember?: boolean;
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

/**
 * Reads what is at a path of the workspace: a file or a folder. Files the stat index knows are not read again.
 * Refreshes the stat index of the path.
 * Guarantee: with `store`, when this returns every object of the result is in the cache, durable.
 * @throws {DvError} path-missing, path-invalid, some-failed when nothing could be read, disk-full, not-writable
 */
export async function capture(repo: Repo, path: RepoPath, options: CaptureOptions): Promise<Captured> {
  let result: Captured | undefined;
  await captureAll(repo, [path], {
    ...options,
    async recorded([found]) {
      result = found;
    },
  });
  if (result === undefined) throw new Error(`${path} was neither captured nor refused`);
  return result;
}

/** What was found at one of several paths. */
export interface CapturedPath extends Captured {
  readonly path: RepoPath;
}

/** How to capture several paths. */
export interface CaptureAllOptions extends CaptureOptions {
  /** Called for a path of which nothing could be read; the others are captured all the same. By default it fails all. */
  unreadable?(failures: readonly FileFailure[]): void;
  /**
   * Called with some paths at a time, when all of them that must be in the cache is durable, and before the stat index
   * says that they are recorded. Pointers are written here: were they written later, a command killed in between would
   * leave files that look recorded, and that the next checkout would replace.
   */
  recorded(batch: readonly CapturedPath[]): Promise<void>;
}

/** Paths are made durable together until they have brought so many files: a flush takes long, however little it is for. */
const filesPerBatch = 5000;

/**
 * Captures several paths.
 * @throws {DvError} as `capture`, some-failed when nothing could be read at a path.
 */
export async function captureAll(
  repo: Repo,
  paths: readonly RepoPath[],
  options: CaptureAllOptions,
): Promise<void> {
  const pool = new ThreadPool();
  const writer = new CacheWriter(repo, pool);
  try {
    let batch: Look[] = [];
    let files = 0;
    for (const [i, path] of paths.entries()) {
      options.signal?.throwIfAborted();
      const top = lstatSync(absolutePath(repo, path), { throwIfNoEntry: false });
      if (top === undefined) throw new DvError('path-missing', { repoPath: path });
      const look = await lookAt(repo, path, { isFolder: top.isDirectory(), pool, writer }, options);
      if ('unreadable' in look) {
        if (options.unreadable === undefined) throw nothingReadable(look.unreadable);
        options.unreadable(look.unreadable);
      } else {
        batch.push(look);
        files += look.found.filesRead;
      }
      if (files < filesPerBatch && i < paths.length - 1) continue;
      await writer.commit();
      await options.recorded(batch.map(({ found }) => found));
      for (const { save } of batch) await (options.store || options.record ? save?.() : saveIfPossible(save));
      batch = [];
      files = 0;
    }
  } catch (error) {
    throw explainWriteFailure(error, repo.objectsDir);
  } finally {
    writer.discard();
    await pool.close();
  }
}

/** What only saves time the next time may fail where nothing can be written: a read-only disk can be looked at. */
async function saveIfPossible(save: Look['save']): Promise<void> {
  try {
    await save?.();
  } catch (error) {
    if (!isDvError(explainWriteFailure(error, ''))) throw error;
  }
}

/** The failure when nothing could be read. */
export const nothingReadable = (failures: readonly FileFailure[]) =>
  new DvError('some-failed', {
    verb: 'read',
    failures: failures.map((failure) => `${failure.path}: ${failure.reason}`),
    total: failures.length,
  });
