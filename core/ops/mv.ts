/** `dv mv`: gives tracked paths another name, pointer and data together. */
import { existsSync, lstatSync } from 'node:fs';
import { DvError } from '../errors.ts';
import { pointerPathOf } from '../model/pointer.ts';
import { baseName, isWithin, joinPaths, parentOf, pathProblem, type RepoPath } from '../model/repo-path.ts';
import { stageFiles } from '../store/git-stage.ts';
import {
  markFinished,
  markUnfinishedPointers,
  removeOldTemporaries,
  sweepUnfinished,
} from '../store/leftovers.ts';
import { withLock } from '../store/lock.ts';
import {
  carryOut,
  isUnderWay,
  type Journal,
  newMove,
  pointerText,
  readJournal,
  removeJournal,
  writeJournal,
} from '../store/moves.ts';
import { absolutePath, type Repo } from '../store/repo.ts';
import { removeStatIndex } from '../store/stat-index.ts';
import { listTracked, type Tracked } from '../store/tracked.ts';
import { assertNoLinkAbove, assertNoStageOutput, assertNotInGit, filesOf } from './add.ts';
import { findMentions, type Mention } from './mentions.ts';

/** What `mv` did. */
export interface MoveResult {
  readonly moved: readonly { readonly from: RepoPath; readonly to: RepoPath }[];
  /** Lines of stages.yaml and stages.lock that still name an old path. */
  readonly mentions: readonly Mention[];
  /** Files at an old path that were changed after a move was cut off, and stay. */
  readonly kept: readonly RepoPath[];
}

/** How to move. */
export interface MoveOptions {
  readonly signal?: AbortSignal;
}

/**
 * Renames tracked paths: the data (without copying it), the pointer, the ignore lines, the stat index and git's
 * index. Into a folder that exists, they go under their own names. All is checked before anything is changed.
 * Guarantee: if the process dies, the same call ends in the same state; the data is at the old or the new path.
 * @param destination a path, or `''` for the top of the repository.
 * @throws {DvError} path-not-tracked, path-exists, path-missing, path-inside-tracked, path-contains-tracked,
 *   path-of-stage, path-tracked-by-git, path-invalid, unsafe-link, usage, invalid-file, locked
 */
export async function mv(
  repo: Repo,
  sources: readonly RepoPath[],
  destination: RepoPath | '',
  options: MoveOptions = {},
): Promise<MoveResult> {
  return withLock(repo, { command: 'dv mv', signal: options.signal }, async () => {
    sweepUnfinished(repo);
    removeOldTemporaries(repo);
    const unfinished = readJournal(repo);
    const resumed = unfinished !== undefined && isSameRequest(repo, unfinished, { sources, destination });
    const journal = resumed ? unfinished : planMoves(repo, sources, destination);
    if (!resumed) {
      // Of an earlier life of that path: nothing is there now.
      for (const { to } of journal.moves) removeStatIndex(repo, to);
      writeJournal(repo, journal);
    }
    const paths = journal.moves.flatMap(({ from, to }) => [from, to]);
    markUnfinishedPointers(repo, paths);
    const kept = await carryOut(repo, journal);
    if (repo.config.autostage) stageFiles(repo, filesOf(paths));
    removeJournal(repo);
    markFinished(repo);
    const mentions = journal.moves.flatMap(({ from }) => findMentions(repo, from));
    return { moved: journal.moves.map(({ from, to }) => ({ from, to })), mentions, kept };
  });
}

/** Whether a command asks again for what was cut off, and nobody did anything else to it since. */
function isSameRequest(
  repo: Repo,
  journal: Journal,
  asked: Pick<Journal, 'sources' | 'destination'>,
): boolean {
  return (
    journal.destination === asked.destination &&
    journal.sources.join('\0') === asked.sources.join('\0') &&
    journal.moves.every((move) => isUnderWay(repo, move))
  );
}

function planMoves(repo: Repo, sources: readonly RepoPath[], destination: RepoPath | ''): Journal {
  const { tracked, broken } = listTracked(repo);
  for (const source of sources) {
    const bad = broken.find(({ pointerPath }) => pointerPath === pointerPathOf(source));
    if (bad !== undefined) throw bad.error;
    requireTrackedPath(source, tracked);
  }
  const into = isFolder(repo, destination) && !tracked.some(({ path }) => path === destination);
  if (sources.length > 1 && !into) {
    throw new DvError('usage', {
      message: `several paths can only be moved into a folder, and ${destination} is none`,
    });
  }
  const targets = sources.map((source) =>
    into ? joinPaths(destination, baseName(source)) : (destination as RepoPath),
  );
  targets.forEach((to, i) => {
    if (targets.indexOf(to) !== i)
      throw new DvError('usage', { message: `two of the paths would become ${to}` });
    checkTarget(repo, to, tracked);
  });
  assertNoStageOutput(repo, targets);
  assertNotInGit(
    repo,
    targets.flatMap((to) => [to, pointerPathOf(to) as RepoPath]),
  );
  const moves = sources.map((from, i) => newMove(from, targets[i]!, pointerText(repo, from)!));
  return { sources, destination, moves, copied: [] };
}

const isFolder = (repo: Repo, path: RepoPath | '') =>
  lstatSync(absolutePath(repo, path), { throwIfNoEntry: false })?.isDirectory() === true;

/** Refuses what dv does not track as one, with what to do instead. */
export function requireTrackedPath(path: RepoPath, tracked: readonly Tracked[]): void {
  if (tracked.some((entry) => entry.path === path)) return;
  const outer = tracked.find((entry) => isWithin(path, entry.path));
  if (outer !== undefined) {
    throw new DvError('usage', {
      message: `${path} is inside ${outer.path}, which dv tracks as one`,
      hint: `change it as any file, then dv add ${outer.path}`,
    });
  }
  const inner = tracked.filter((entry) => isWithin(entry.path, path)).map((entry) => entry.path);
  const pointed = tracked.find((entry) => entry.pointerPath === path);
  if (inner.length > 0 || pointed !== undefined) {
    throw new DvError('usage', {
      message:
        pointed === undefined
          ? `dv does not track ${path} itself, but in it: ${inner.slice(0, 5).join(', ')}${inner.length > 5 ? ', …' : ''}`
          : `${path} is a pointer`,
      hint: `name the tracked path: ${pointed?.path ?? inner[0]}`,
    });
  }
  throw new DvError('path-not-tracked', { repoPath: path });
}

/** Refuses a new name that is taken, cannot be one, or lies where something else claims the files. */
function checkTarget(repo: Repo, to: RepoPath, tracked: readonly Tracked[]): void {
  for (const taken of [to, pointerPathOf(to)]) {
    const problem = pathProblem(taken);
    if (problem !== undefined) throw new DvError('path-invalid', { path: taken, reason: problem });
  }
  for (const { path } of tracked) {
    if (path === to) throw new DvError('path-exists', { repoPath: to });
    if (isWithin(to, path)) throw new DvError('path-inside-tracked', { repoPath: to, tracked: path });
    if (isWithin(path, to)) throw new DvError('path-contains-tracked', { repoPath: to, tracked: path });
  }
  const folder = parentOf(to);
  if (folder !== '' && !existsSync(absolutePath(repo, folder)))
    throw new DvError('path-missing', { repoPath: folder });
  assertNoLinkAbove(repo, to);
  if (!isFolder(repo, folder as RepoPath | '')) {
    throw new DvError('usage', { message: `${folder} is not a folder` });
  }
  for (let above = folder; above !== ''; above = parentOf(above)) {
    if (existsSync(absolutePath(repo, `${above}/.git`))) {
      throw new DvError('path-invalid', {
        path: to,
        reason: `it belongs to another git repository, ${above}`,
      });
    }
  }
  for (const taken of [to, pointerPathOf(to)]) {
    if (lstatSync(absolutePath(repo, taken), { throwIfNoEntry: false }) !== undefined) {
      throw new DvError('path-exists', { repoPath: taken });
    }
  }
}
