/** Text from a repository, made safe for a terminal. */
import { stripVTControlCharacters } from 'node:util';

// C0 and C1 controls, and characters that reorder or hide text: bidirectional controls (Unicode TR 9), line and
// paragraph separators, zero-width space, word joiner, byte order mark, interlinear annotations, tag characters.
const unsafe =
  /[\x00-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

const plain = /^[\x20-\x7e]*$/;

/**
 * Makes one safe line: escape sequences are removed, other control and reordering characters become visible as
 * `\x0a` or `\u202e`. Every name, message and value that comes from a repository goes through here before it is
 * printed for a person. Joiners inside emoji and scripts stay.
 */
export function cleanLine(text: string): string {
  if (plain.test(text)) return text;
  return stripVTControlCharacters(text)
    .toWellFormed()
    .replace(unsafe, (character) => {
      const code = character.codePointAt(0)!;
      return code < 0x100
        ? `\\x${code.toString(16).padStart(2, '0')}`
        : `\\u${code > 0xffff ? `{${code.toString(16)}}` : code.toString(16).padStart(4, '0')}`;
    })
    .normalize('NFC');
}
