/**
 * Paths as they stand in pointers, trees and stages: relative, forward slashes, no `..`, nothing that could
 * reach into `.git` on any file system. Comes from repositories, so it is checked before it is used.
 */
import { quote } from './quote.ts';

/** A valid path relative to the repository's top (or, in a tree, to the tracked folder). */
export type RepoPath = string & { readonly __brand: 'RepoPath' };

// Code points HFS+ ignores in names, so that `.g\u200cit` opens `.git` there (git: utf8.c, is_hfs_dotgit).
const hfsIgnored = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g;

/** Whether one path part names `.git` on some file system: any case, NTFS short name or stream, HFS aliases. */
export function isDotGit(part: string): boolean {
  const first = part.charCodeAt(0) | 32;
  // Nearly every name begins with something else, and has no backslash behind which one could begin.
  if (first < 128 && first !== 46 && first !== 103 && !part.includes('\\')) return false;
  // Windows takes a backslash as a slash, so that one part here can be several there.
  return part.replace(hfsIgnored, '').toLowerCase().split('\\').some(isDotGitOnNtfs);
}

/** Source: git, path.c, is_ntfs_dotgit: a stream's name and trailing dots and spaces do not count. */
function isDotGitOnNtfs(name: string): boolean {
  const colon = name.indexOf(':');
  let end = colon === -1 ? name.length : colon;
  while (end > 0 && (name[end - 1] === '.' || name[end - 1] === ' ')) end--;
  const base = name.slice(0, end);
  return base === '.git' || base === 'git~1';
}

/** Says why a text is no valid path, or gives undefined when it is one. */
export function pathProblem(text: string): string | undefined {
  return pathProblemFrom(text, 0);
}

/**
 * Like `pathProblem` for a path whose first `start` characters were found valid before and end in a slash.
 * Lists repeat their folders on every line; this saves looking at them again.
 */
export function pathProblemFrom(text: string, start: number): string | undefined {
  if (text === '') return 'it is empty';
  if (text.charCodeAt(0) === 47) return 'it is absolute';
  if (text.includes('\0', start)) return 'it contains a NUL byte';
  if (!text.isWellFormed()) return 'it is not valid Unicode';
  for (let at = start; at <= text.length; ) {
    const slash = text.indexOf('/', at);
    const end = slash === -1 ? text.length : slash;
    if (end === at) return 'it has an empty part';
    const first = text.charCodeAt(at);
    if (first === 46 && (end === at + 1 || (end === at + 2 && text.charCodeAt(at + 1) === 46))) {
      return 'it has a part `.` or `..`';
    }
    // Only parts that begin with a dot, a `g` or an ignored code point can be an alias of .git.
    if ((first === 46 || first === 71 || first === 103 || first > 0x2000) && isDotGit(text.slice(at, end))) {
      return 'it has a part that names .git';
    }
    at = end + 1;
  }
  return text.includes('\\', start) ? backslashProblem(text) : undefined;
}

/** A backslash is an ordinary character of a name, except that Windows must not be led astray by it. */
function backslashProblem(text: string): string | undefined {
  for (const part of text.split(/[/\\]/)) {
    if (part === '.' || part === '..' || isDotGit(part)) {
      return `it has a part ${quote(part)} once backslashes are taken as slashes, as Windows does`;
    }
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
    if (x !== y) return compareUnits(x, y);
  }
  return a.length - b.length;
}

/** Orders the first UTF-16 units in which two well-formed texts differ as their UTF-8 bytes would be. */
export function compareUnits(x: number, y: number): number {
  // UTF-16 puts surrogates (code points above U+FFFF) below U+E000..U+FFFF; UTF-8 does not.
  const xHigh = x >= 0xd800 && x <= 0xdfff;
  const yHigh = y >= 0xd800 && y <= 0xdfff;
  return xHigh === yHigh ? x - y : xHigh ? 1 : -1;
}

/** Whether `path` is `folder` or lies below it; everything lies below `''`, the top. */
export function isWithin(path: string, folder: string): boolean {
  return folder === '' || path === folder || (path.startsWith(folder) && path[folder.length] === '/');
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
