/** Giving the owner of a workspace file the right to write to it. */
import { closeSync, constants, fchmodSync, fstatSync, openSync } from 'node:fs';
import { systemCode } from '../errors.ts';
import { baseName, parentOf } from '../model/repo-path.ts';
import { HeldFolders } from './held-folders.ts';

/**
 * Lets the owner write to a file; says whether that was forbidden. No link is followed.
 * @param root absolute top of the repository.
 * @param path relative to it; that there is none is no failure.
 */
export function makeWritable(root: string, path: string): boolean {
  using held = new HeldFolders(root);
  let file: number;
  try {
    file = openSync(
      `${held.at(parentOf(path))}/${baseName(path)}`,
      constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0),
    );
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
  try {
    const { mode } = fstatSync(file);
    if ((mode & 0o200) !== 0) return false;
    fchmodSync(file, (mode & 0o777) | 0o200);
    return true;
  } finally {
    closeSync(file);
  }
}
