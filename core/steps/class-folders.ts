/** Finding the images of a folder with one subfolder per class. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../errors.ts';
import { StepError } from '../model/step.ts';
import type { BadImage } from './images.ts';

/** A file below a class folder, not yet looked into. */
export interface ImageFile {
  readonly className: string;
  /** Path relative to the folder that holds the classes, with forward slashes: `cat/a.png`. */
  readonly path: string;
}

/** What is in a folder with one subfolder per class. */
export interface ClassFolders {
  /** Names of the subfolders, sorted by their UTF-8 bytes. */
  readonly classes: readonly string[];
  /** Their files, subfolders' included: sorted by class, then by path. */
  readonly files: readonly ImageFile[];
  /** What cannot be an image without being read, such as a link to nowhere. */
  readonly bad: readonly BadImage[];
}

/** Files that systems leave behind; nobody means them to be data. */
const systemNames = new Set(['thumbs.db', 'ehthumbs.db', 'desktop.ini', '__macosx']);
const isIgnored = (name: string) => name.startsWith('.') || systemNames.has(name.toLowerCase());

/** Order of names that is the same in every locale: by UTF-8 bytes. */
export const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

/**
 * Lists the classes of a folder and the files in them. Hidden files and what systems leave behind (`.DS_Store`,
 * `Thumbs.db`) are passed over, as are files beside the class folders. Links to files are followed, since a
 * cache may put such links in place of files; links to folders are not.
 * @param folder absolute path.
 * @param shown the folder as the user wrote it.
 * @throws {StepError} when it is missing or has no class folders.
 */
export async function listClassFolders(folder: string, shown: string): Promise<ClassFolders> {
  const hint = `expected one subfolder of images per class: ${shown}/<class>/<image>`;
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') throw new StepError(`${shown} does not exist`, hint);
    if (systemCode(error) === 'ENOTDIR') throw new StepError(`${shown} is not a folder`, hint);
    throw error;
  });
  const classes = entries
    .filter((entry) => entry.isDirectory() && !isIgnored(entry.name))
    .map((entry) => entry.name)
    .sort(byBytes);
  if (classes.length === 0) throw new StepError(`${shown} has no class folders`, hint);
  const files: ImageFile[] = [];
  const bad: BadImage[] = [];
  for (const className of classes) {
    const found: string[] = [];
    await walk(folder, className, found, bad);
    files.push(...found.sort(byBytes).map((path) => ({ className, path })));
  }
  return { classes, files, bad };
}

async function walk(root: string, below: string, found: string[], bad: BadImage[]): Promise<void> {
  for (const entry of await readdir(join(root, below), { withFileTypes: true })) {
    if (isIgnored(entry.name)) continue;
    const path = `${below}/${entry.name}`;
    if (entry.isDirectory()) await walk(root, path, found, bad);
    else if (entry.isFile()) found.push(path);
    else {
      const target = entry.isSymbolicLink() ? await stat(join(root, path)).catch(() => undefined) : undefined;
      if (target?.isFile()) found.push(path);
      else bad.push({ path, reason: describeOther(entry.isSymbolicLink(), target?.isDirectory() ?? false) });
    }
  }
}

function describeOther(isLink: boolean, toFolder: boolean): string {
  if (!isLink) return 'neither a file nor a folder';
  return toFolder ? 'a link to a folder, which is not followed' : 'a link that leads nowhere';
}

/**
 * Checks that every class has images.
 * @param files those that count.
 * @throws {StepError} naming the classes that have none.
 */
export function requireImages(
  classes: readonly string[],
  files: readonly Pick<ImageFile, 'className'>[],
  shown: string,
): void {
  const filled = new Set(files.map((file) => file.className));
  const empty = classes.filter((name) => !filled.has(name));
  if (empty.length === 0) return;
  const named = empty.slice(0, 20).join(', ') + (empty.length > 20 ? `, … (${empty.length} in all)` : '');
  throw new StepError(
    empty.length === 1
      ? `the class ${named} of ${shown} has no images`
      : `these classes of ${shown} have no images: ${named}`,
    'add images to each, or remove the empty folders',
  );
}
