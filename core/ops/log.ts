/** `dv log`: the commits that changed data, and what they changed of it. */
import { existsSync } from 'node:fs';
import { isDvError } from '../errors.ts';
import type { Digest } from '../model/digest.ts';
import { pathPattern } from '../model/path-select.ts';
import { looksLikePointer, type Pointer, parsePointer, trackedPathOf } from '../model/pointer.ts';
import { comparePaths, parseRepoPath, type RepoPath } from '../model/repo-path.ts';
import type { ReadObject } from '../model/tree.ts';
import { lockFileName, outputsOf, parseLock } from '../pipeline/lock-file.ts';
import { readObject } from '../store/cache.ts';
import { type Commit, type FileChange, type History, openHistory } from '../store/history.ts';
import { absolutePath, type Repo } from '../store/repo.ts';
import { isPointerFile } from './data-at.ts';
import { comparePath, narrowDiff, type Selecting } from './path-diff.ts';

/** What a commit changed at one path. */
export interface LoggedPath {
  readonly path: RepoPath;
  /** The path that had the same content before and went away in the same commit. */
  readonly renamedFrom?: RepoPath;
  readonly before?: Pointer;
  readonly after?: Pointer;
  /** How many files; `undefined` when the listings are not in the cache, so that only the totals are known. */
  readonly files?: {
    readonly added: number;
    readonly modified: number;
    readonly deleted: number;
    readonly renamed: number;
  };
}

/** A commit that changed data. */
export interface LoggedCommit {
  /** Full id. */
  readonly commit: string;
  /** ISO 8601, UTC. */
  readonly date: string;
  readonly author: string;
  readonly subject: string;
  readonly paths: readonly LoggedPath[];
  /** Pointers and lock files that could not be read, as `file: what is wrong`. */
  readonly problems: readonly string[];
}

/** What `log` found, newest first. */
export interface LogResult {
  readonly commits: readonly LoggedCommit[];
}

/** What to look for. */
export interface LogOptions {
  /** Where to start; HEAD by default. */
  readonly revision?: string;
  /** At most this many commits. */
  readonly limit?: number;
  /** Only changes at or below these paths, or (as patterns) matched; they may lie inside a tracked folder. */
  readonly paths?: readonly RepoPath[];
  readonly signal?: AbortSignal;
}

/** How many commits are looked at together, at first and at most. */
const fewCommits = 64;
const manyCommits = 4096;

/**
 * Follows first parents, so that each commit stands for one step of the branch, and a merge for what it brought.
 * Reads what changed from one commit to the next, and of trees the leaves that differ.
 * @throws {DvError} unknown-revision (a HEAD without commits is no failure), object-damaged
 */
export async function log(repo: Repo, options: LogOptions): Promise<LogResult> {
  const { revision, limit = Number.POSITIVE_INFINITY, signal } = options;
  const asked = options.paths?.map((path) => pathPattern(path, () => existsSync(absolutePath(repo, path))));
  await using history = await openHistory(repo);
  const start = revision === undefined ? await history.find('HEAD') : await history.resolve(revision);
  const commits: LoggedCommit[] = [];
  const read = rememberingReader(repo);
  let chunk = fewCommits;
  for (let next = start?.id; next !== undefined && commits.length < limit; ) {
    signal?.throwIfAborted();
    const step: Commit[] = await history.walk({ from: [next], firstParent: true, limit: chunk });
    for (const { commit, sides, problems } of await readChanges(history, step)) {
      signal?.throwIfAborted();
      const paths = describe(read, sides, asked);
      if (paths.length > 0 || (problems.length > 0 && asked === undefined))
        commits.push({ ...head(commit), paths, problems });
      if (commits.length === limit) break;
    }
    next = step.at(-1)?.parents[0];
    chunk = Math.min(manyCommits, chunk * 2);
  }
  return { commits };
}

const head = ({ id, date, author, subject }: Commit) => ({ commit: id, date, author, subject });

/** What a path was before a commit, and is after it. */
interface Sides {
  before?: Pointer;
  after?: Pointer;
}

interface Changed {
  readonly commit: Commit;
  readonly sides: ReadonlyMap<RepoPath, Sides>;
  readonly problems: readonly string[];
}

/** Reads pointers and lock files that commits changed; those that changed none are left out. */
async function readChanges(history: History, commits: readonly Commit[]): Promise<Changed[]> {
  const changes = await history.changedFiles(
    commits.map(({ id }) => id),
    (path) => path === lockFileName || isPointerFile(path),
  );
  const files = changes.flat().flatMap(({ before, after }) => [before, after]);
  const ids = [...new Set(files.flatMap((file) => (file === undefined ? [] : [file.id])))];
  const blobs = await history.readBlobs(ids);
  const textOf = new Map(ids.map((id, i) => [id, blobs[i]!.toString()]));
  return commits.flatMap((commit, i) => {
    if (changes[i]!.length === 0) return [];
    const problems: string[] = [];
    const sides = new Map<RepoPath, Sides>();
    // Outputs first: where a pointer speaks of the same path, it counts.
    const sorted = [...changes[i]!].sort(
      (a, b) => Number(b.path === lockFileName) - Number(a.path === lockFileName),
    );
    for (const change of sorted) readChange(change, textOf, sides, problems);
    return [{ commit, sides, problems }];
  });
}

function readChange(
  change: FileChange,
  textOf: ReadonlyMap<string, string>,
  sides: Map<RepoPath, Sides>,
  problems: string[],
): void {
  for (const side of ['before', 'after'] as const) {
    const file = change[side];
    if (file === undefined || file.mode === '120000') continue;
    try {
      for (const [path, pointer] of pointersIn(change.path, textOf.get(file.id)!)) {
        const known = sides.get(path) ?? {};
        known[side] = pointer;
        sides.set(path, known);
      }
    } catch (error) {
      if (!isDvError(error, 'invalid-file') && !isDvError(error, 'newer-format')) throw error;
      if (side === 'after') problems.push(error.message);
    }
  }
}

/** What a pointer or lock file stands for. @throws {DvError} invalid-file, newer-format */
function pointersIn(file: string, text: string): (readonly [RepoPath, Pointer])[] {
  if (file === lockFileName) {
    return outputsOf(parseLock(text, file)).map(({ path, pointer }) => [path, pointer] as const);
  }
  const path = parseRepoPath(trackedPathOf(file));
  return path === undefined || !looksLikePointer(text) ? [] : [[path, parsePointer(text, file)]];
}

/** Counts what differs at each path, sorted by path. */
function describe(
  read: ReadObject,
  sides: ReadonlyMap<RepoPath, Sides>,
  asked: readonly Selecting[] | undefined,
): LoggedPath[] {
  const moved = findMoves(sides);
  const paths: LoggedPath[] = [];
  for (const [path, { before, after }] of sides) {
    if (moved.gone.has(path)) continue;
    const renamedFrom = moved.from.get(path);
    if (renamedFrom !== undefined) {
      const isAsked = asked?.some((each) => each.selects(path) || each.selects(renamedFrom)) ?? true;
      if (isAsked) paths.push({ path, renamedFrom, before: after!, after: after! });
      continue;
    }
    if (asked !== undefined && !asked.some((each) => each.selects(path) || each.mayReachInto(path))) continue;
    const found = comparePath(read, path, before && { pointer: before }, after && { pointer: after });
    const diff = found && narrowDiff(found, asked);
    if (diff === undefined) continue;
    const files = {
      added: diff.added.length,
      modified: diff.modified.length,
      deleted: diff.deleted.length,
      renamed: diff.renamed.length,
    };
    paths.push({
      path,
      ...(before ? { before } : {}),
      ...(after ? { after } : {}),
      ...(diff.truncated ? {} : { files }),
    });
  }
  return paths.sort((a, b) => comparePaths(a.path, b.path));
}

/** Pairs paths that went away with paths that came with the same content. */
function findMoves(sides: ReadonlyMap<RepoPath, Sides>): {
  from: Map<RepoPath, RepoPath>;
  gone: Set<RepoPath>;
} {
  const gone = new Map<string, RepoPath[]>();
  const keyOf = ({ kind, digest }: Pointer) => `${kind} ${digest}`;
  for (const [path, { before, after }] of sides) {
    if (before === undefined || after !== undefined) continue;
    gone.set(keyOf(before), [...(gone.get(keyOf(before)) ?? []), path]);
  }
  const from = new Map<RepoPath, RepoPath>();
  for (const [path, { before, after }] of sides) {
    if (before !== undefined || after === undefined) continue;
    const old = gone.get(keyOf(after))?.shift();
    if (old !== undefined) from.set(path, old);
  }
  return { from, gone: new Set(from.values()) };
}

/** How many bytes of listings are kept: what a commit changed is what the one before it is compared with. */
const keptBytes = 64 << 20;

/** Reads objects of the cache, and remembers those of late. */
function rememberingReader(repo: Repo): ReadObject {
  const known = new Map<Digest, Buffer>();
  let bytes = 0;
  return (digest) => {
    const object = known.get(digest) ?? readObject(repo, digest);
    // The one that was asked for last is the last to go.
    if (known.delete(digest)) bytes -= object.length;
    known.set(digest, object);
    bytes += object.length;
    for (const [oldest, { length }] of known) {
      if (bytes <= keptBytes) break;
      known.delete(oldest);
      bytes -= length;
    }
    return object;
  };
}
