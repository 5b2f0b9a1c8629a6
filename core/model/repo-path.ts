/**
 * Paths as they stand in pointers, trees and stages: relative, forward slashes, no `..`, nothing that could
 * reach into `.git` on any file system. Comes from repositories, so it is checked before it is used.
 */

/** A valid path relative to the repository's top (or, in a tree, to the tracked folder). */
export type RepoPath = string & { readonly __brand: 'RepoPath' };

// Code points HFS+ ignores in names, so that `.g\u200cit` opens `.git` there (git: utf8.c, is_hfs_dotgit).
const hfsIgnored = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g;

/** Whether one path part names `.git` on some file system: any case, NTFS short name or stream, HFS aliases. */
export function isDotGit(part: string): boolean {
  const plain = part.replace(hfsIgnored, '').toLowerCase();
  const stream = plain.indexOf(':');
  const base = (stream === -1 ? plain : plain.slice(0, stream)).replace(/[. ]+$/, '');
  return base === '.git' || base === 'git~1';
}

/** Says why a text is no valid path, or gives undefined when it is one. */
export function pathProblem(text: string): string | undefined {
  if (text === '') return 'it is empty';
  if (text.startsWith('/')) return 'it is absolute';
  if (text.includes('\0')) return 'it contains a NUL byte';
  if (!text.isWellFormed()) return 'it is not valid Unicode';
  let start = 0;
  while (start <= text.length) {
    let end = text.indexOf('/', start);
    if (end === -1) end = text.length;
    const length = end - start;
    if (length === 0) return 'it has an empty part';
    const first = text.charCodeAt(start);
    if (first === 46 && (length === 1 || (length === 2 && text.charCodeAt(start + 1) === 46))) {
      return 'it has a part `.` or `..`';
    }
    // Only parts that begin with a dot, a `g` or an ignored code point can be an alias of .git.
    if (
      (first === 46 || first === 71 || first === 103 || first > 0x2000) &&
      isDotGit(text.slice(start, end))
    ) {
      return 'it has a part that names .git';
    }
    start = end + 1;
  }
  return undefined;
}

/** The text as a path, or undefined when it is not valid. */
export function parseRepoPath(text: string): RepoPath | undefined {
  return pathProblem(text) === undefined ? (text as RepoPath) : undefined;
}

/** Orders paths by their UTF-8 bytes. */
export function comparePaths(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    // UTF-16 puts surrogates (code points above U+FFFF) below U+E000..U+FFFF; UTF-8 does not.
    const xHigh = x >= 0xd800 && x <= 0xdfff;
    const yHigh = y >= 0xd800 && y <= 0xdfff;
    if (xHigh !== yHigh) return xHigh ? (y >= 0xe000 ? 1 : x - y) : x >= 0xe000 ? -1 : x - y;
    return x - y;
  }
  return a.length - b.length;
}

/** Whether `path` is `folder` or lies below it. */
export function isWithin(path: string, folder: string): boolean {
  return (
    path === folder || (path.length > folder.length && path.startsWith(folder) && path[folder.length] === '/')
  );
}

/** The folder a path is in; `''` at the top. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash === -1 ? '' : path.slice(0, slash);
}

/** The last part of a path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Joins a folder (`''` for the top) and a path below it. */
export function joinPaths(folder: string, below: string): RepoPath {
  return (folder === '' ? below : `${folder}/${below}`) as RepoPath;
}

/**
 * Says why a symbolic link's target is unsafe, or gives undefined when following it cannot leave the tracked
 * folder. `..` is allowed only at the front: behind another link's name it would be taken from wherever that
 * link leads.
 * @param linkPath the link's path in its tree.
 */
export function linkProblem(linkPath: string, target: string): string | undefined {
  if (target === '') return 'its target is empty';
  if (target.startsWith('/') || /^[A-Za-z]:/.test(target)) return 'its target is absolute';
  if (target.includes('\0') || target.includes('\\')) return 'its target has a NUL byte or a backslash';
  let depth = linkPath.split('/').length - 1;
  let named = false;
  for (const part of target.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (named) return 'its target has `..` behind a name';
      depth--;
      if (depth < 0) return 'its target is outside the tracked folder';
    } else {
      if (isDotGit(part)) return 'its target names .git';
      named = true;
    }
  }
  return undefined;
}
