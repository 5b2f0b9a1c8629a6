/**
 * Names that are one file on file systems that fold case or normalise Unicode (macOS, Windows, ext4 with casefold), and
 * several elsewhere. Nothing asks what a file system does: it shows in what happens there.
 */

/** What all names that such a file system may take for one have in common. */
export const foldName = (path: string): string => path.normalize('NFC').toLowerCase().normalize('NFC');

/** Another of the paths that may be the same file; undefined when there is none. */
export function aliasAmong(paths: Iterable<string>, path: string): string | undefined {
  const folded = foldName(path);
  for (const other of paths) if (other !== path && foldName(other) === folded) return other;
  return undefined;
}

/** A file that is to go, or one that is found where a new one is to be. */
export interface SeenFile {
  readonly path: string;
  readonly inode: number;
}

/**
 * The files among `found` that are only another spelling of one that is to go: by inode and folded name. Deleting the one
 * takes the other away.
 * @returns their positions in `found`.
 */
export function respelled(going: readonly SeenFile[], found: readonly SeenFile[]): number[] {
  if (going.length === 0 || found.length === 0) return [];
  const byInode = new Map(going.map(({ path, inode }) => [inode, path]));
  return found.flatMap(({ path, inode }, i) => {
    const other = byInode.get(inode);
    return other !== undefined && other !== path && foldName(other) === foldName(path) ? [i] : [];
  });
}
