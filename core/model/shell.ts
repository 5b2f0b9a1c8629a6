/** Words of command lines that are printed for people to copy. */
import { type Digest, hexOf } from './digest.ts';
import type { FileMode } from './tree.ts';

/** A word as a shell takes it; control characters and direction marks as bash and zsh write them. */
export function shellWord(word: string): string {
  if (/^[A-Za-z0-9_./:@+=,-]+$/.test(word)) return word;
  const unseen = /[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/gu;
  if (!unseen.test(word)) return `'${word.replaceAll("'", "'\\''")}'`;
  const escaped = word.replace(/[\\']/g, '\\$&').replace(unseen, (character) => {
    return [...Buffer.from(character)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
  });
  return `$'${escaped}'`;
}

/** How many hex digits of a digest are printed to find the object again. */
const enoughDigits = 16;

/** What `--as` of `dv restore` says for a file that is no plain one. */
const kindOf: Record<FileMode, string> = { '-': '', x: ' --as executable', l: ' --as link' };

/**
 * The command that brings a saved object back to its path.
 * @param atTop whether the user stands at the repository's top; elsewhere the path begins with `:/`.
 */
export function restoreCommand(
  { path, digest, mode = '-' }: { path: string; digest: Digest; mode?: FileMode },
  atTop: boolean,
): string {
  const place = atTop && !/^[-:]/.test(path) ? path : `:/${path}`;
  return `dv restore --object ${hexOf(digest).slice(0, enoughDigits)}${kindOf[mode]} ${shellWord(place)}`;
}
