/** Lists the files below a folder of the workspace, in tree order, pruned by ignore rules. */
import { type Dirent, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DvError, systemCode } from '../errors.ts';
import { type IgnoreRules, ignoreFileName, ignoreNothing, withIgnoreFile } from '../model/ignore.ts';
import { comparePaths, isDotGit, joinPaths, type RepoPath } from '../model/repo-path.ts';

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
  try {
    return withIgnoreFile(outer, folder, readFileSync(join(root, folder, ignoreFileName), 'utf8'));
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return outer;
    throw error;
  }
}

/**
 * Lists a folder.
 * @param root absolute top of the repository.
 * @param folder relative to the top; must be a folder.
 * @throws {DvError} path-invalid for a name that is not valid Unicode.
 */
export function walk(root: string, folder: RepoPath): Walked {
  const paths: RepoPath[] = [];
  const problems: WalkProblem[] = [];

  const visit = (below: string, outer: IgnoreRules) => {
    const here = below === '' ? folder : joinPaths(folder, below);
    let entries: Dirent[];
    try {
      entries = readdirSync(join(root, here), { withFileTypes: true });
    } catch (error) {
      const code = systemCode(error);
      if (code !== 'EACCES' && code !== 'EIO') throw error;
      problems.push({ path: below, reason: (error as Error).message });
      return;
    }
    const rules = entries.some((entry) => entry.name === ignoreFileName)
      ? addRules(outer, root, here)
      : outer;
    // A folder sorts as its name with a slash, so that the whole walk comes out in the order of full paths.
    const keyed = entries.map((entry) => ({
      entry,
      key: entry.isDirectory() ? `${entry.name}/` : entry.name,
    }));
    keyed.sort((a, b) => comparePaths(a.key, b.key));
    for (const { entry } of keyed) {
      const { name } = entry;
      if (name.endsWith(workspaceTemporarySuffix)) continue;
      const path = (below === '' ? name : `${below}/${name}`) as RepoPath;
      const isFolder = entry.isDirectory();
      if (rules !== ignoreNothing && rules.isIgnored(`${here}/${name}`, isFolder)) continue;
      if (name.includes('\ufffd') && !isExactName(join(root, here), name)) {
        throw new DvError('path-invalid', { path: `${here}/${name}`, reason: 'its name is not valid UTF-8' });
      }
      if (isDotGit(name)) {
        problems.push({
          path,
          reason: 'it is part of another git repository, which cannot be tracked as data',
        });
      } else if (isFolder) visit(path, rules);
      else if (entry.isFile() || entry.isSymbolicLink()) paths.push(path);
      else problems.push({ path, reason: 'it is neither a file, a folder nor a link' });
    }
  };

  visit('', ignoreRulesAbove(root, folder));
  return { paths, problems };
}

/** Whether a name with replacement characters really has them, rather than bytes that are no UTF-8. */
function isExactName(folder: string, name: string): boolean {
  const exact = Buffer.from(name);
  return readdirSync(folder, { encoding: 'buffer' }).some((candidate) => exact.equals(candidate));
}
