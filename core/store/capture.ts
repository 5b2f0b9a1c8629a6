/** Workspace → digests: what is at a path now, and (when asked) its bytes in the cache. */
import type { Report } from '../events.ts';
import type { Pointer } from '../model/pointer.ts';
import type { RepoPath } from '../model/repo-path.ts';
import type { TreeEntry } from '../model/tree.ts';
import type { Repo } from './repo.ts';

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
  readonly report?: Report;
  readonly signal?: AbortSignal;
}

/**
 * Reads what is at a path of the workspace: a file or a folder. Files the stat index knows are not read again.
 * Refreshes the stat index of the path.
 * Guarantee: with `store`, when this returns every object of the result is in the cache, durable.
 * @throws {DvError} path-missing, unsafe-link, path-invalid, disk-full, not-writable
 */
export declare function capture(repo: Repo, path: RepoPath, options: CaptureOptions): Promise<Captured>;
