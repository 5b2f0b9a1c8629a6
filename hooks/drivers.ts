/**
 * What git calls besides hooks: merge drivers and the text of a pointer for `git diff` (gitattributes(5)). Here is
 * how they are made known to git, in this clone alone: in its config and in its `info/attributes`.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DvError, systemCode } from '../core/errors.ts';
import { writeFileAtomic } from '../core/store/atomic.ts';
import type { Repo } from '../core/store/repo.ts';
import { type Launcher, quoteWord } from './shim.ts';

/** `current`: as this dv writes them; `outdated`: of another dv, or one that has moved, or incomplete; `absent`: none. */
export type DriversState = 'current' | 'outdated' | 'absent';

/** What was done to the drivers. */
export type DriversChange = 'installed' | 'upgraded' | 'unchanged' | 'removed' | 'absent';

/**
 * Shell text that calls dv where it was when it wrote this, and does without it when it is gone.
 * git takes `%` for a placeholder of its own.
 */
function callOf({ node, main }: Launcher, words: string, without: string): string {
  const [n, m] = [node, main].map((path) => quoteWord(path).replaceAll('%', '%%'));
  return `if [ -x ${n} ] && [ -f ${m} ]; then ${n} ${m} hook ${words}; else ${without}; fi`;
}

/** As text, with conflict markers: what git does for files that name no driver. */
// git gives a merge up when a driver ends with 129 or more, as merge-file does for bytes that are no text.
const asText = 'git merge-file --marker-size=%L %A %O %B || false';

/** The settings, by key as git writes it. */
function wantedSettings(launcher: Launcher): Map<string, string> {
  const merge = (words: string) => callOf(launcher, `${words} %O %A %B %L %P`, asText);
  const [n, m] = [launcher.node, launcher.main].map(quoteWord);
  return new Map([
    ['merge.dv.name', 'data tracked by dv, file by file'],
    ['merge.dv.driver', merge('merge-pointer ours')],
    // Where two common ancestors are merged to get one base: nobody is there to be told of a conflict.
    ['merge.dv.recursive', 'dv-base'],
    ['merge.dv-base.name', 'common ancestors of data tracked by dv'],
    ['merge.dv-base.driver', merge('merge-pointer base')],
    ['merge.dv-lock.name', 'stages.lock of dv, stage by stage'],
    ['merge.dv-lock.driver', merge('merge-lock ours')],
    ['merge.dv-lock.recursive', 'dv-lock-base'],
    ['merge.dv-lock-base.name', 'common ancestors of stages.lock of dv'],
    ['merge.dv-lock-base.driver', merge('merge-lock base')],
    ['merge.dv-ignore.name', '.gitignore, where dv adds lines'],
    ['merge.dv-ignore.driver', merge('merge-ignore ours')],
    // git puts the file's name behind the text as a word, so the text ends in a command.
    [
      'diff.dv.textconv',
      `dv() { if [ -x ${n} ] && [ -f ${m} ]; then ${n} ${m} hook textconv "$1"; else cat "$1"; fi; }; dv`,
    ],
    // The line above a hunk that says what it is in: the counts, not some file that happens to stand there.
    ['diff.dv.xfuncname', '^((tree|file): .*)$'],
  ]);
}

const sections = [
  'merge.dv',
  'merge.dv-base',
  'merge.dv-lock',
  'merge.dv-lock-base',
  'merge.dv-ignore',
  'diff.dv',
];

const blockStart = '# dv: written by `dv init`, taken away by `dv hook uninstall`.';
const blockEnd = '# dv: end';
// No conversion of line ends: a pointer has one encoding, and a film whose name ends in .dv is no text at all.
const block = [
  blockStart,
  '*.dv -text merge=dv diff=dv',
  '/stages.lock -text merge=dv-lock',
  '.gitignore merge=dv-ignore',
  blockEnd,
  '',
].join('\n');
const blockPattern = new RegExp(`^${blockStart}\\n(?:.*\\n)*?${blockEnd}\\n`, 'm');

const attributesFile = (repo: Repo) => join(repo.commonDir, 'info', 'attributes');

function readAttributes(repo: Repo): string {
  try {
    return readFileSync(attributesFile(repo), 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return '';
    throw error;
  }
}

/** The drivers' settings as this clone's config has them. @throws {DvError} git-missing */
function readSettings(repo: Repo): Map<string, string> {
  const pattern = `^(${sections.join('|').replaceAll('.', '\\.')})\\.`;
  const { stdout } = repo.git.run(['config', '--local', '--null', '--get-regexp', pattern]);
  return new Map(
    stdout.split('\0').flatMap((item) => {
      const newline = item.indexOf('\n');
      return newline === -1 ? [] : [[item.slice(0, newline), item.slice(newline + 1)] as const];
    }),
  );
}

/** Looks whether the drivers are known to git. @throws {DvError} git-missing */
export function inspectDrivers(repo: Repo, launcher: Launcher): DriversState {
  const wanted = wantedSettings(launcher);
  const found = readSettings(repo);
  const attributes = readAttributes(repo);
  if (found.size === 0 && !attributes.includes(blockStart)) return 'absent';
  const same = found.size === wanted.size && [...wanted].every(([key, value]) => found.get(key) === value);
  return same && attributes.includes(block) ? 'current' : 'outdated';
}

/**
 * Makes the drivers known to git. Repeating it changes nothing.
 * Guarantee: the attributes, which make git call a driver, come last; if the process dies, git merges as text.
 * @throws {DvError} git-missing, git-failed, not-writable
 */
export function installDrivers(repo: Repo, launcher: Launcher): DriversChange {
  const state = inspectDrivers(repo, launcher);
  if (state === 'current') return 'unchanged';
  const wanted = wantedSettings(launcher);
  const found = readSettings(repo);
  for (const [key, value] of wanted) {
    if (found.get(key) !== value) repo.git.output(['config', '--local', '--replace-all', key, value]);
  }
  for (const key of found.keys()) {
    if (!wanted.has(key)) repo.git.output(['config', '--local', '--unset-all', key]);
  }
  const text = readAttributes(repo);
  const rest = text.replace(blockPattern, '');
  const separator = rest === '' || rest.endsWith('\n') ? '' : '\n';
  writeAttributes(repo, text.includes(block) ? text : `${rest}${separator}${block}`);
  return state === 'absent' ? 'installed' : 'upgraded';
}

/** Takes everything away that `installDrivers` wrote. @throws {DvError} git-missing, git-failed, not-writable */
export function uninstallDrivers(repo: Repo): DriversChange {
  const text = readAttributes(repo);
  const found = readSettings(repo);
  if (found.size === 0 && !text.includes(blockStart)) return 'absent';
  writeAttributes(repo, text.replace(blockPattern, ''));
  for (const section of sections) {
    if ([...found.keys()].some((key) => key.startsWith(`${section}.`)))
      repo.git.output(['config', '--local', '--remove-section', section]);
  }
  return 'removed';
}

function writeAttributes(repo: Repo, text: string): void {
  if (text === readAttributes(repo)) return;
  try {
    writeFileAtomic(attributesFile(repo), text);
  } catch (error) {
    const code = systemCode(error);
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') throw error;
    throw new DvError('not-writable', { path: attributesFile(repo) }, { cause: error });
  }
}
