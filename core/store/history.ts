/**
 * History: commits, branches, tags, and files at any number of revisions, read in bulk; the workspace is never
 * touched. Two engines pass one contract (test/unit/store/history.test.ts): the git program, and isomorphic-git
 * where there is none. What they share (folders, files, simplified history) is in object-history.ts; how objects and
 * refs are got is in history-git.ts and history-isomorphic.ts.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '../errors.ts';
import type { FileChange } from './history-changes.ts';
import type { Commit, GitObject } from './history-objects.ts';
import { ObjectHistory } from './object-history.ts';
import type { Repo } from './repo.ts';

export type { FileChange } from './history-changes.ts';
export type { Commit } from './history-objects.ts';

/** A branch or tag. */
export interface Ref {
  readonly kind: 'branch' | 'remote-branch' | 'tag';
  /** As people write it: `main`, `origin/main`, `v1`. */
  readonly name: string;
  /** `refs/heads/main`, … */
  readonly fullName: string;
  /** Full id of the commit it leads to. */
  readonly commit: string;
  /** Whether it is the branch checked out here. */
  readonly current: boolean;
}

/** Which branches are asked for. */
export interface BranchOptions {
  /** Also the remotes' branches that no local branch has the name of. Default: local ones only. */
  readonly remotes?: boolean;
  /** As in `git branch --list`: `*` and `?` match any characters, `/` too. A remote's branch may match without its remote's name. */
  readonly glob?: string;
}

/** A file of a commit. */
export interface FileAt {
  readonly path: string;
  /** Full id of its content: equal ids are equal bytes. */
  readonly id: string;
  /** `100644`, `100755`, or `120000` for a link. */
  readonly mode: string;
}

/** Which commits are walked. */
export interface WalkOptions {
  /** Full ids to start from. */
  readonly from: readonly string[];
  /** Only commits that changed one of these files or folders, as `git log -- <path>` simplifies. */
  readonly paths?: readonly string[];
  /** At most this many. */
  readonly limit?: number;
  /** Of a merge, follow only the first parent. */
  readonly firstParent?: boolean;
}

/** The history of one repository. Buffers it gives may be shared: read them only. */
export interface History extends AsyncDisposable {
  readonly engine: 'git' | 'isomorphic-git';
  /** The commit a revision means. @throws {DvError} unknown-revision, usage (ambiguous), git-feature, git-failed */
  resolve(revision: string): Promise<Commit>;
  /** Many revisions at once, in order. @throws as `resolve` does, for the first one in trouble. */
  resolveAll(revisions: readonly string[]): Promise<Commit[]>;
  /** Like `resolve`, or undefined where there is no such revision. */
  find(revision: string): Promise<Commit | undefined>;
  /** The branch that is checked out, if HEAD is on one that has a commit. */
  currentBranch(): Promise<Ref | undefined>;
  /** Branches, local ones first, each kind sorted by name. */
  branches(options?: BranchOptions): Promise<Ref[]>;
  /** Tags that lead to commits, sorted by name. */
  tags(): Promise<Ref[]>;
  /** Files and links of each commit whose path matches, sorted by path. Submodules are left out. */
  listFiles(
    commits: readonly string[],
    matches: (path: string) => boolean,
    options?: { enter?: (folder: string) => boolean },
  ): Promise<FileAt[][]>;
  /** Per commit the files and links that match and differ from its first parent's, sorted by path. */
  changedFiles(commits: readonly string[], matches: (path: string) => boolean): Promise<FileChange[][]>;
  /** The bytes of regular files, in order; undefined where a commit has no such file. */
  readFiles(requests: readonly { commit: string; path: string }[]): Promise<(Buffer | undefined)[]>;
  /** The bytes of files found by `listFiles`, in order. */
  readBlobs(ids: readonly string[]): Promise<Buffer[]>;
  /** Commits, newest first. */
  walk(options: WalkOptions): Promise<Commit[]>;
  close(): Promise<void>;
}

/** What an engine does: gets refs and objects. */
export interface ObjectSource {
  readonly engine: History['engine'];
  /** All branches and tags that lead to commits; a remote's HEAD is left out. */
  refs(): Promise<Ref[]>;
  /** The commit objects revisions mean, in order. */
  resolve(revisions: readonly string[]): Promise<(GitObject | 'unknown' | 'ambiguous')[]>;
  /** Objects by full id, in order; undefined where there is none. */
  read(ids: readonly string[]): Promise<(GitObject | undefined)[]>;
  /** Ids of the commits of a walk, newest first, when the engine is faster at it than reading objects. */
  walk?(options: WalkOptions): Promise<string[]>;
  close(): Promise<void>;
}

/**
 * Opens a repository's history: with the git program where there is one, else with isomorphic-git. Nothing is
 * started before the first question.
 * @param options.engine overrides the choice.
 * @throws {DvError} git-feature when only git can read this repository and there is none.
 */
export async function openHistory(
  repo: Pick<Repo, 'git' | 'gitDir' | 'commonDir'>,
  options: { engine?: History['engine'] } = {},
): Promise<History> {
  const engine = options.engine ?? (repo.git.available ? 'git' : 'isomorphic-git');
  const source =
    engine === 'git'
      ? (await import('./history-git.ts')).openGitSource(repo.git)
      : (await import('./history-isomorphic.ts')).openIsomorphicSource(repo);
  return new ObjectHistory(source, readShallow(repo.commonDir));
}

/** Ids of the commits at which a shallow clone ends. */
function readShallow(commonDir: string): ReadonlySet<string> {
  try {
    return new Set(readFileSync(join(commonDir, 'shallow'), 'utf8').split('\n'));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return new Set();
    throw error;
  }
}
