/**
 * Workspace files that share their bytes with the cache (link modes `hardlink` and `symlink`): telling them, and
 * keeping an edit of one from passing for the object.
 */
import { constants, copyFileSync, lstatSync, readlinkSync, renameSync, rmSync } from 'node:fs';
import { type Report, silent } from '../events.ts';
import type { Digest } from '../model/digest.ts';
import type { RepoPath } from '../model/repo-path.ts';
import { objectPath } from './cache.ts';
import { absolutePath, type Repo } from './repo.ts';

const objectName = /^(?:\/|[A-Za-z]:[/\\]).*[/\\]objects[/\\][0-9a-f]{2}[/\\][0-9a-f]{62}$/;

/**
 * The object a link of dv's own leads to, or undefined for any other link. No tree can hold such a link: it is absolute.
 * @param path absolute, of a symbolic link.
 */
export function linkedObject(path: string): string | undefined {
  const target = readlinkSync(path);
  return objectName.test(target) ? target : undefined;
}

/** A file whose bytes are no longer those it was recorded with. */
export interface Edited {
  readonly path: RepoPath;
  /** Of what it was recorded with. */
  readonly digest: Digest;
  /** Of the file that holds the new bytes. */
  readonly inode: number;
}

/**
 * Takes objects out of the cache that were edited through a workspace file linked to them: the bytes become the
 * workspace's own file, and nobody is handed them for what they are not.
 * @returns the files concerned.
 */
export function letGoOfEdited(repo: Repo, edited: readonly Edited[], report: Report = silent): RepoPath[] {
  const gone: RepoPath[] = [];
  for (const { path, digest, inode } of edited) {
    const object = objectPath(repo, digest);
    const info = lstatSync(object, { throwIfNoEntry: false });
    const file = lstatSync(absolutePath(repo, path), { throwIfNoEntry: false });
    if (info === undefined || file === undefined || info.ino !== inode) continue;
    if (!file.isSymbolicLink() && (file.ino !== info.ino || file.dev !== info.dev)) continue;
    try {
      if (file.isSymbolicLink()) moveTo(object, absolutePath(repo, path));
      else rmSync(object, { force: true });
      gone.push(path);
    } catch {
      // A cache that only others may write to. The object is still never used: it is checked whenever it is.
      gone.push(path);
    }
  }
  const [first] = gone;
  if (first !== undefined) {
    const more = gone.length === 1 ? '' : ` and ${gone.length - 1} more`;
    report({
      type: 'warning',
      message: `${first}${more} was edited in place, and with it the copy in the cache it is linked to; it is the workspace’s own file now, and the cache has lost what it held before`,
      hint: `dv verify --repair looks for the lost content; before editing a linked file: dv checkout --copy ${first}`,
    });
  }
  return gone;
}

/** Moves a file over a link, also to another file system. */
function moveTo(object: string, path: string): void {
  try {
    renameSync(object, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    rmSync(path);
    copyFileSync(object, path, constants.COPYFILE_EXCL);
    rmSync(object, { force: true });
  }
}
