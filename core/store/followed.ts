/**
 * A note of what git's index had when a hook last brought the workspace to its pointers. git writes its index often,
 * and calls a hook each time: a few lines of shell (hooks/shim.ts) compare the note, and start dv only when it differs.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from './atomic.ts';
import { readIfThere } from './discover.ts';
import type { Repo } from './repo.ts';

/** What dv's hooks ask git for, and compare with the note. */
export const indexedFiles = ['--', '*.dv', 'stages.lock'];
/** The question; the note holds the answer. `-t` tells files outside a sparse checkout. */
export const askIndexed = ['ls-files', '-s', '-t'];

/** Relative to the worktree's git directory. */
export const followedNote = 'dv/followed';

const noteOf = (repo: Pick<Repo, 'gitDir'>) => join(repo.gitDir, followedNote);

/** What git's index has of pointers and stages.lock; undefined without git. */
export function listIndexed(repo: Repo): string | undefined {
  return repo.git.available ? repo.git.output([...askIndexed, ...indexedFiles]) : undefined;
}

/**
 * Notes that the workspace follows what the index had, unless the files themselves differ from it: then the workspace
 * follows something else. Call under the lock of the worktree.
 */
export function noteFollowed(repo: Repo, indexed: string): void {
  if (repo.git.run(['diff-files', '--quiet', ...indexedFiles]).status !== 0) return;
  writeFileAtomic(noteOf(repo), indexed, { durable: false });
}

/** Takes the notes back: whatever is done now, the next hook has to look, and to tell. */
export function forgetFollowed(repo: Pick<Repo, 'gitDir'>): void {
  rmSync(noteOf(repo), { force: true });
  rmSync(toldOf(repo), { force: true });
}

const toldOf = (repo: Pick<Repo, 'gitDir'>) => join(repo.gitDir, 'dv', 'told');

/** What the hook before this one told, if no dv command has run since: git calls two hooks for one checkout. */
export function readTold(repo: Pick<Repo, 'gitDir'>): ReadonlySet<string> {
  return new Set(readIfThere(toldOf(repo))?.split('\n'));
}

/** Notes what was told. */
export function noteTold(repo: Pick<Repo, 'gitDir'>, lines: readonly string[]): void {
  if (lines.length > 0) writeFileAtomic(toldOf(repo), lines.join('\n'), { durable: false });
}
