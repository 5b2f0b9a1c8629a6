/** Lists the files below a folder of the workspace, in tree order, pruned by ignore rules. */
import { isUtf8 } from 'node:buffer';
import { type Dirent, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { reasonOf, systemCode } from '../errors.ts';
import { type IgnoreRules, ignoreFileName, ignoreNothing, withIgnoreFile } from '../model/ignore.ts';
import { comparePaths, isDotGit, joinPaths, pathProblem, type RepoPath } from '../model/repo-path.ts';
import { readWorkspaceText } from './workspace-text.ts';

/** Why a folder cannot be listed though it is there: not ours to read, a failing disk, a path longer than the system takes. */
const unreadable = new Set(['EACCES', 'EPERM', 'EIO', 'ENAMETOOLONG', 'ESTALE']);

/** A path that cannot be part of a listing, and why. */
export interface WalkProblem {
  /** Relative to the walked folder. */
  readonly path: string;
  readonly reason: string;
}

/** The files below a folder. */
export interface Walked {
  /** Relative to the folder, sorted by their UTF-8 bytes. */
  readonly paths: RepoPath[];
  readonly problems: WalkProblem[];
}

/** Ends the names of files dv is writing in the workspace; never part of a listing. */
export const workspaceTemporarySuffix = '.dvtmp';

/** The rules that apply at a folder: those of every `.dvcignore` from the repository's top down to it. */
export function ignoreRulesAbove(root: string, folder: string): IgnoreRules {
  let rules = ignoreNothing;
  const parts = folder === '' ? [] : folder.split('/');
  for (let depth = 0; depth < parts.length; depth++) {
    rules = addRules(rules, root, parts.slice(0, depth).join('/'));
  }
  return rules;
}

function addRules(outer: IgnoreRules, root: string, folder: string): IgnoreRules {
  const file = folder === '' ? ignoreFileName : `${folder}/${ignoreFileName}`;
  const text = readWorkspaceText(root, file);
  return text === undefined ? outer : withIgnoreFile(outer, folder, text);
}

/** What is directly in a folder. */
export interface Level {
  /** Files, links and folders in the order of the paths below them. */
  readonly items: readonly { readonly path: RepoPath; readonly isFolder: boolean }[];
  readonly problems: readonly WalkProblem[];
  /** The rules for the folders in it. */
  readonly rules: IgnoreRules;
}

/**
 * Lists one folder, not those below it.
 * @param below relative to `folder`; `''` for `folder` itself.
 * @param outer the rules of the folders above.
 */
export function listLevel(root: string, folder: RepoPath, below: string, outer: IgnoreRules): Level {
  const here = below === '' ? folder : joinPaths(folder, below);
  const absolute = join(root, here);
  const problems: WalkProblem[] = [];
  let entries: Dirent[];
  try {
    entries = readdirSync(absolute, { withFileTypes: true });
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined || !unreadable.has(code)) throw error;
    return { items: [], problems: [{ path: below, reason: reasonOf(error) }], rules: outer };
  }
  const rules = entries.some((entry) => entry.name === ignoreFileName) ? addRules(outer, root, here) : outer;
  const items: { path: RepoPath; isFolder: boolean; key: string }[] = [];
  let garbled = false;
  let isSorted = true;
  let previous = '';
  for (const entry of entries) {
    const { name } = entry;
    if (name.endsWith(workspaceTemporarySuffix)) continue;
    const path = (below === '' ? name : `${below}/${name}`) as RepoPath;
    const isFolder = entry.isDirectory();
    if (rules !== ignoreNothing && rules.isIgnored(`${here}/${name}`, isFolder)) continue;
    const isPlain = plainName.test(name);
    const problem = isPlain ? undefined : nameProblem(absolute, name);
    if (problem === notUtf8) garbled = true;
    else if (problem !== undefined) problems.push({ path, reason: problem });
    else if (isFolder || entry.isFile() || entry.isSymbolicLink()) {
      // A folder sorts as its name with a slash, so that a whole walk comes out in the order of full paths.
      const key = isFolder ? `${name}/` : name;
      // Most systems give names in order. Plain ones compare as their bytes do.
      isSorted &&= isPlain && previous < key;
      previous = key;
      items.push({ path, isFolder, key });
    } else problems.push({ path, reason: 'it is neither a file, a folder nor a link' });
  }
  if (garbled) problems.push(...foreignNames(absolute, below));
  if (!isSorted) items.sort((a, b) => comparePaths(a.key, b.key));
  return { items, problems, rules };
}

/**
 * Lists a folder and everything below it.
 * @param root absolute top of the repository.
 * @param folder relative to the top; must be a folder. Paths are given relative to it.
 * @param below only this folder in it.
 */
export function walk(root: string, folder: RepoPath, below = ''): Walked {
  const paths: RepoPath[] = [];
  const problems: WalkProblem[] = [];
  const visit = (at: string, outer: IgnoreRules) => {
    const level = listLevel(root, folder, at, outer);
    problems.push(...level.problems);
    for (const { path, isFolder } of level.items) {
      if (isFolder) visit(path, level.rules);
      else paths.push(path);
    }
  };
  visit(below, ignoreRulesAbove(root, below === '' ? folder : joinPaths(folder, below)));
  return { paths, problems };
}

/** Names that need no closer look: nearly all there are. */
const plainName = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;

/** Stands for the reason that is told with the name's bytes. */
const notUtf8 = 'not UTF-8';

/** Why a name may not be part of a listing. @param folder absolute, where it is. */
function nameProblem(folder: string, name: string): string | undefined {
  if (name.includes('\ufffd') && !isExactName(folder, name)) return notUtf8;
  if (isDotGit(name)) return 'it is part of another git repository, which cannot be tracked as data';
  return pathProblem(name);
}

/** Whether a name with replacement characters really has them, rather than bytes that are no UTF-8. */
function isExactName(folder: string, name: string): boolean {
  const exact = Buffer.from(name);
  return readdirSync(folder, { encoding: 'buffer' }).some((candidate) => exact.equals(candidate));
}

/** The names in a folder that are no UTF-8 and so cannot stand in a tree, their odd bytes written as `\xff`. */
function foreignNames(folder: string, below: string): WalkProblem[] {
  return readdirSync(folder, { encoding: 'buffer' })
    .filter((name) => !isUtf8(name))
    .map((name) => ({
      path: below === '' ? escapeBytes(name) : `${below}/${escapeBytes(name)}`,
      reason: 'its name is not valid UTF-8; rename it to track it',
    }));
}

/** Bytes as text, those that are not printable ASCII as `\x` and two hex digits. */
const escapeBytes = (bytes: Buffer) =>
  [...bytes]
    .map((byte) =>
      byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`,
    )
    .join('');
