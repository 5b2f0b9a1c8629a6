/** Paths and patterns a user typed, as questions to ask of the paths dv knows. */
import { isWithin, type RepoPath } from './repo-path.ts';
import { toByteString, wildmatch } from './wildmatch.ts';

/** One typed path. */
export interface PathPattern {
  /** As typed, from the repository's top. */
  readonly text: RepoPath;
  /** Whether a path is what was typed, matches it, or lies below what does. */
  selects(path: string): boolean;
  /** Whether something below a folder could be selected, though the folder itself is not. */
  mayReachInto(folder: string): boolean;
}

/**
 * Understands a typed path. One that names something, or something below it, is taken as it stands; else `*`, `?`
 * and `[…]` are a pattern, in which a `*` stays in its folder and `**` does not, as in .gitignore.
 * @param isKnown whether there is something at or below a path, taken literally.
 */
export function pathPattern(text: RepoPath, isKnown: (path: RepoPath) => boolean): PathPattern {
  const literal = {
    text,
    selects: (path: string) => isWithin(path, text),
    mayReachInto: (folder: string) => isWithin(text, folder),
  };
  const special = /[*?[]/.exec(text);
  if (special === null || isKnown(text)) return literal;
  const pattern = toByteString(text);
  const certain = text.slice(0, text.lastIndexOf('/', special.index) + 1);
  return {
    text,
    selects(path) {
      for (let end = path.indexOf('/'); ; end = path.indexOf('/', end + 1)) {
        const folder = end === -1 ? path : path.slice(0, end);
        if (wildmatch(pattern, toByteString(folder), 'apart')) return true;
        if (end === -1) return false;
      }
    },
    // The part before the first special character is in every match.
    mayReachInto: (folder) => `${folder}/`.startsWith(certain) || certain.startsWith(`${folder}/`),
  };
}
