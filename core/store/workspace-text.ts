/**
 * The text files of the workspace that tell dv what to do: settings, ignore rules, stages. They come with the
 * repository, so a link in the place of one is not followed: it could put a file from anywhere into a commit.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DvError, systemCode } from '../errors.ts';
import { baseName, parentOf } from '../model/repo-path.ts';
import { writeFileAtomic } from './atomic.ts';
import { HeldFolders } from './held-folders.ts';

const refused = (path: string, what: string) =>
  new DvError('invalid-file', {
    problems: [{ file: path, message: `it is ${what}; dv reads it only as a file of its own, as git does` }],
    hint: `replace ${path} by a file`,
  });

/**
 * The text of a file, or undefined when there is none.
 * @param root absolute top of the repository.
 * @param path relative to it.
 * @throws {DvError} invalid-file when it is a link, a folder or a device
 */
export function readWorkspaceText(root: string, path: string): string | undefined {
  const absolute = join(root, path);
  let file: number;
  try {
    if (constants.O_NOFOLLOW === undefined && lstatSync(absolute).isSymbolicLink())
      throw refused(path, 'a link');
    file = openSync(absolute, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (code === 'ELOOP' || code === 'EMLINK') throw refused(path, 'a link');
    if (code === 'ENXIO') throw refused(path, 'no regular file');
    throw error;
  }
  try {
    if (!fstatSync(file).isFile()) throw refused(path, 'no regular file');
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

/**
 * Replaces a text file of the workspace. No link is followed on the way to it; missing folders are made.
 * Guarantee: if the process dies, the file holds either its old or its new content.
 * @throws {DvError} unsafe-link
 */
export function writeWorkspaceText(root: string, path: string, content: string): void {
  using held = new HeldFolders(root);
  writeFileAtomic(`${held.make(parentOf(path))}/${baseName(path)}`, content);
}
