/**
 * `.dvcignore`: which files below a tracked folder are not data. gitignore syntax, nested files allowed.
 * Source: gitignore(5) and git's dir.c (add_patterns_from_buffer, last_matching_pattern_from_list).
 */
import { isSpecial, toByteString, wildmatch } from './wildmatch.ts';

/** The name of the files that hold ignore rules. */
export const ignoreFileName = '.dvcignore';

/** Ignore rules of one folder and those above it, nearest last. */
export interface IgnoreRules {
  /**
   * Whether the rules ignore a file or folder itself. What lies below an ignored folder is ignored as well,
   * whatever the rules say of it: whoever asks goes from the top down and does not enter such a folder.
   */
  isIgnored(repoPath: string, isFolder: boolean): boolean;
}

/** Rules that ignore nothing. */
export const ignoreNothing: IgnoreRules = { isIgnored: () => false };

/**
 * Adds one file's rules to those of the folders above it. As in git, the last rule that matches decides, and
 * a nearer file's rules come after a farther one's.
 * @param folder the folder the file is in, relative to the repository's top; `''` at the top.
 */
export function withIgnoreFile(outer: IgnoreRules, folder: string, text: string): IgnoreRules {
  const rules = parseRules(text);
  if (rules.length === 0) return outer;
  const prefixLength = folder === '' ? 0 : folder.length + 1;
  return {
    isIgnored(repoPath, isFolder) {
      const below = toByteString(repoPath.slice(prefixLength));
      const name = below.slice(below.lastIndexOf('/') + 1);
      for (let i = rules.length - 1; i >= 0; i--) {
        const rule = rules[i]!;
        if ((isFolder || !rule.foldersOnly) && rule.matches(rule.anywhere ? name : below)) {
          return !rule.negated;
        }
      }
      return outer.isIgnored(repoPath, isFolder);
    },
  };
}

/** One line of an ignore file. */
interface Rule {
  /** The line began with `!`. */
  readonly negated: boolean;
  /** The line ended in `/`. */
  readonly foldersOnly: boolean;
  /** The line holds no other `/`: it is about names in any folder, not about paths. */
  readonly anywhere: boolean;
  /** Whether it matches a byte string: a name if `anywhere`, else a path relative to the file's folder. */
  matches(bytes: string): boolean;
}

/** Later rules win over earlier ones. */
function parseRules(text: string): Rule[] {
  const lines = toByteString(text.replace(/^\ufeff/, '')).split('\n');
  return lines.flatMap((line) => {
    const pattern = trimTrailingSpaces(line.replace(/\r$/, ''));
    return pattern === '' || pattern.startsWith('#') ? [] : [parseRule(pattern)];
  });
}

/** Drops spaces at the end, but not those behind a backslash. */
function trimTrailingSpaces(line: string): string {
  let end = 0;
  for (let i = 0; i < line.length; i++) {
    if (line[i] === '\\') i++;
    if (line[i] !== ' ' || line[i - 1] === '\\') end = i + 1;
  }
  return line.slice(0, end);
}

function parseRule(line: string): Rule {
  const negated = line.startsWith('!');
  const withSlash = negated ? line.slice(1) : line;
  const foldersOnly = withSlash.endsWith('/');
  const pattern = foldersOnly ? withSlash.slice(0, -1) : withSlash;
  const anywhere = !pattern.includes('/');
  const matches = anywhere ? nameMatcher(pattern) : pathMatcher(pattern);
  return { negated, foldersOnly, anywhere, matches };
}

/** Length of what stands before the first character with a meaning. */
function plainLength(pattern: string): number {
  for (let i = 0; i < pattern.length; i++) if (isSpecial(pattern[i]!)) return i;
  return pattern.length;
}

function nameMatcher(pattern: string): Rule['matches'] {
  if (plainLength(pattern) === pattern.length) return (name) => name === pattern;
  const ending = pattern.slice(1);
  if (pattern[0] === '*' && plainLength(ending) === ending.length) return (name) => name.endsWith(ending);
  return (name) => wildmatch(pattern, name, 'plain');
}

function pathMatcher(fromTop: string): Rule['matches'] {
  const pattern = fromTop.startsWith('/') ? fromTop.slice(1) : fromTop;
  // git compares the plain beginning first and matches only the rest, so `a**/b` also takes `ab`.
  const plain = pattern.slice(0, plainLength(pattern));
  const rest = pattern.slice(plain.length);
  return (path) => {
    if (!path.startsWith(plain)) return false;
    if (rest === '') return path.length === plain.length;
    return wildmatch(rest, path.slice(plain.length), 'apart');
  };
}
