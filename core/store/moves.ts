/**
 * Renaming tracked paths: pointer, data, ignore lines and stat index together. A journal in the git directory says
 * what is being moved, so that a move that was cut off can be told from files that happen to lie there, and ended.
 */
import { cpSync, lstatSync, readFileSync, renameSync, rmSync, type Stats } from 'node:fs';
import { dirname, join } from 'node:path';
import { systemCode } from '../errors.ts';
import { pointerPathOf } from '../model/pointer.ts';
import { joinPaths, parentOf, parseRepoPath, type RepoPath } from '../model/repo-path.ts';
import { flushFolder, temporaryName, writeFileAtomic } from './atomic.ts';
import { explainWriteFailure } from './cache-writer.ts';
import { flushFiles } from './flush.ts';
import { ensureIgnored, removeIgnored } from './gitignore.ts';
import { materialise } from './materialise.ts';
import { absolutePath, type Repo } from './repo.ts';
import { putStat, statMissing, statWidth } from './stat-files.ts';
import { isTrusted, loadStatIndex, looksUnchanged, removeStatIndex, saveStatIndex } from './stat-index.ts';
import { renameMark } from './uncommitted.ts';
import { walk, workspaceTemporarySuffix } from './walk.ts';

/** One tracked path on its way to another name. */
export interface Move {
  readonly from: RepoPath;
  readonly to: RepoPath;
  /** The pointer's text, which does not change. */
  readonly text: string;
  /** Where a copy is made when a rename cannot cross file systems; relative to the top. */
  readonly copy: RepoPath;
}

/** What was asked for, and the moves it comes to. */
export interface Journal {
  readonly sources: readonly RepoPath[];
  readonly destination: string;
  readonly moves: readonly Move[];
  /** Moves whose copy is complete, by their position: what is left at the old place is not needed any more. */
  readonly copied: readonly number[];
}

const journalOf = (repo: Repo) => join(repo.gitDir, 'dv', 'moving');

/** Notes moves before the first of them begins. Durable. */
export function writeJournal(repo: Repo, journal: Journal): void {
  writeFileAtomic(journalOf(repo), JSON.stringify(journal));
}

/** Takes the note away. */
export function removeJournal(repo: Repo): void {
  rmSync(journalOf(repo), { force: true });
}

/** The moves a killed command left undone; undefined when there are none, or their note is torn. */
export function readJournal(repo: Repo): Journal | undefined {
  let text: string;
  try {
    text = readFileSync(journalOf(repo), 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const journal = JSON.parse(text) as Journal;
    const paths = journal.moves.flatMap(({ from, to, copy }) => [from, to, copy]);
    return paths.every((path) => parseRepoPath(path) !== undefined) ? journal : undefined;
  } catch {
    return undefined;
  }
}

/** Makes a move of a path whose pointer has this text. */
export function newMove(from: RepoPath, to: RepoPath, text: string): Move {
  const copy = joinPaths(parentOf(to), `.${temporaryName()}${workspaceTemporarySuffix}`);
  return { from, to, text, copy };
}

/** A pointer file's text; undefined when there is none. */
export function pointerText(repo: Repo, path: RepoPath): string | undefined {
  try {
    return readFileSync(absolutePath(repo, pointerPathOf(path)), 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Whether the pointers still are as a cut off move leaves them; otherwise somebody did something else since. */
export function isUnderWay(repo: Repo, { from, to, text }: Move): boolean {
  const there = [pointerText(repo, from), pointerText(repo, to)].filter((found) => found !== undefined);
  return there.length > 0 && there.every((found) => found === text);
}

const look = (repo: Repo, path: RepoPath): Stats | undefined =>
  lstatSync(absolutePath(repo, path), { throwIfNoEntry: false });

/**
 * Carries out noted moves, from wherever they are.
 * Guarantee: if the process dies, the same call with the journal that lies there ends in the same state. At every
 * moment a pointer stands at the old name, the new one or both, and the data at one of them.
 * @returns old files that were changed since a cut off move, and stay.
 */
export async function carryOut(repo: Repo, journal: Journal): Promise<RepoPath[]> {
  let current = journal;
  const kept: RepoPath[] = [];
  const settled: (() => Promise<void>)[] = [];
  for (const [i, move] of journal.moves.entries()) {
    const { from, to, text } = move;
    ensureIgnored(repo, [to]);
    if (pointerText(repo, to) !== text) writeFileAtomic(absolutePath(repo, pointerPathOf(to)), text);
    const before = look(repo, from);
    if (before !== undefined && look(repo, to) === undefined) {
      const finishCopy = await moveData(repo, move, () => {
        current = { ...current, copied: [...current.copied, i] };
        writeJournal(repo, current);
      });
      settled.push(() => moveStatIndex(repo, move, finishCopy === undefined ? before : undefined));
      finishCopy?.();
    } else if (before !== undefined && current.copied.includes(i)) {
      rmSync(absolutePath(repo, from), { recursive: true });
      settled.push(() => moveStatIndex(repo, move, undefined));
    } else if (before !== undefined) {
      // Something brought the old files back meanwhile, as dv checkout does.
      const options = { complete: true, force: false };
      kept.push(...(await materialise(repo, [{ path: from }], options)).kept);
    } else settled.push(() => moveStatIndex(repo, move, undefined));
  }
  if (settled.length > 0 && journal.moves.some(({ text }) => text.includes('\nkind: file\n'))) {
    // A rename sets a file's ctime, and an index as young as that is not trusted.
    await new Promise((resolve) => setTimeout(resolve, renameAgeMs));
  }
  for (const settle of settled) await settle();
  for (const { from, to } of journal.moves) {
    renameMark(repo, from, to);
    rmSync(absolutePath(repo, pointerPathOf(from)), { force: true });
    removeIgnored(repo, from);
  }
  for (const folder of new Set(journal.moves.map(({ from }) => dirname(absolutePath(repo, from)))))
    flushFolder(folder);
  return kept;
}

/** More than the age below which the stat index trusts nothing. */
const renameAgeMs = 30;

/**
 * Moves the data by a rename, or where that cannot be done (another file system is mounted there) by a copy.
 * @param copied called when the copy is complete and durable, before it gets its name.
 * @throws {DvError} disk-full, not-writable; the same command goes on from here
 * @returns undefined after a rename; after a copy, what removes the original.
 */
async function moveData(repo: Repo, move: Move, copied: () => void): Promise<(() => void) | undefined> {
  const from = absolutePath(repo, move.from);
  const to = absolutePath(repo, move.to);
  const copy = absolutePath(repo, move.copy);
  rmSync(copy, { recursive: true, force: true });
  try {
    renameSync(from, to);
    return undefined;
  } catch (error) {
    if (systemCode(error) !== 'EXDEV') throw error;
  }
  try {
    cpSync(from, copy, {
      recursive: true,
      preserveTimestamps: true,
      verbatimSymlinks: true,
      errorOnExist: true,
    });
    await flushFiles(copy, filesBelow(repo, move.copy));
  } catch (error) {
    rmSync(copy, { recursive: true, force: true });
    throw explainWriteFailure(error, to);
  }
  copied();
  renameSync(copy, to);
  flushFolder(dirname(to));
  return () => rmSync(from, { recursive: true });
}

/** Absolute paths of the regular files at or below a path. */
function filesBelow(repo: Repo, path: RepoPath): string[] {
  const info = look(repo, path);
  if (!info?.isDirectory()) return info?.isFile() ? [absolutePath(repo, path)] : [];
  return walk(repo.root, path)
    .paths.map((below) => joinPaths(path, below))
    .filter((file) => look(repo, file)?.isFile())
    .map((file) => absolutePath(repo, file));
}

/**
 * Gives a stat index its new name. Renaming a folder changes nothing about the files in it; of a single file it sets
 * the ctime, which is taken over when nothing else changed.
 * @param before the path as it was right before a rename; undefined when it was copied, or is not known.
 */
async function moveStatIndex(repo: Repo, { from, to }: Move, before: Stats | undefined): Promise<void> {
  const index = await loadStatIndex(repo, from);
  if (index === undefined) return;
  const columns = index.columns.slice();
  for (let row = 0; row * statWidth < columns.length; row++) {
    // The new index is younger, and would trust what the old one did not.
    if (!isTrusted(index, row)) columns[row * statWidth] = statMissing;
  }
  if (index.kind === 'file') {
    const rows = new Float64Array(2 * statWidth);
    putStat(rows, 0, before);
    putStat(rows, 1, look(repo, to));
    const same = [0, 1, 3, 4].every((column) => rows[column] === rows[statWidth + column]);
    if (before !== undefined && same && looksUnchanged(index, 0, rows, 0))
      columns.set(rows.subarray(statWidth));
    else columns[0] = statMissing;
  }
  await saveStatIndex(repo, { ...index, path: to, columns });
  removeStatIndex(repo, from);
}
