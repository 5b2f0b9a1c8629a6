/** How cached objects become workspace files here: the first of the wanted link modes that works. */
import { constants, copyFileSync, linkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '../errors.ts';
import type { LinkMode } from '../model/config.ts';
import { makeFolder, temporaryName } from './atomic.ts';
import type { Repo } from './repo.ts';
import { workspaceTemporarySuffix } from './walk.ts';

/**
 * Tries the configured modes, in order, on an empty file from the cache's file system to the workspace's.
 * @returns the first that works; `copy` always does.
 */
export function chooseLinkMode(repo: Repo): LinkMode {
  const wanted = repo.config.link;
  if (wanted[0] === 'copy') return 'copy';
  const source = join(repo.temporaryDir, temporaryName());
  const target = join(repo.root, `.${temporaryName()}${workspaceTemporarySuffix}`);
  try {
    makeFolder(repo.temporaryDir);
    writeFileSync(source, '');
  } catch (error) {
    // A cache that can only be read, as a team's may be, can still be copied from.
    const code = systemCode(error);
    if (code === 'EROFS' || code === 'EACCES' || code === 'EPERM' || code === 'ENOSPC') return 'copy';
    throw error;
  }
  try {
    for (const mode of wanted) {
      if (mode === 'copy' || works(mode, source, target)) return mode;
    }
    return 'copy';
  } finally {
    rmSync(source, { force: true });
    rmSync(target, { force: true });
  }
}

/**
 * Whether new objects are to be kept in a pack: when they are many, and nothing is to be linked to them.
 * Source of the name: git-config, transfer.unpackLimit.
 */
export function isWorthPacking(repo: Repo, newObjects: number): boolean {
  return newObjects >= repo.config.unpackLimit && chooseLinkMode(repo) === 'copy';
}

function works(mode: LinkMode, source: string, target: string): boolean {
  try {
    if (mode === 'reflink') copyFileSync(source, target, constants.COPYFILE_FICLONE_FORCE);
    else if (mode === 'hardlink') linkSync(source, target);
    else symlinkSync(source, target);
    return true;
  } catch (error) {
    // EXDEV: another file system; ENOTSUP and its kin: this one cannot.
    const code = systemCode(error);
    if (
      code !== undefined &&
      ['EXDEV', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'ENOTTY', 'EPERM'].includes(code)
    )
      return false;
    throw error;
  } finally {
    rmSync(target, { force: true });
  }
}
