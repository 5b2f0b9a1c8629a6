/** What a terminal sent → names of keys. Several keys may arrive at once, e.g. when one is held down. */

import { graphemes } from '../report/width.ts';

/** The part of Ink's key description that is looked at. */
export interface InkKey {
  readonly upArrow: boolean;
  readonly downArrow: boolean;
  readonly leftArrow: boolean;
  readonly rightArrow: boolean;
  readonly pageUp: boolean;
  readonly pageDown: boolean;
  readonly home: boolean;
  readonly end: boolean;
  readonly return: boolean;
  readonly escape: boolean;
  readonly tab: boolean;
  readonly shift: boolean;
  readonly backspace: boolean;
  readonly delete: boolean;
  readonly ctrl: boolean;
  readonly meta: boolean;
}

const named = [
  ['upArrow', 'up'],
  ['downArrow', 'down'],
  ['leftArrow', 'left'],
  ['rightArrow', 'right'],
  ['pageUp', 'pageup'],
  ['pageDown', 'pagedown'],
  ['home', 'home'],
  ['end', 'end'],
  ['return', 'return'],
  ['tab', 'tab'],
  ['backspace', 'backspace'],
  ['delete', 'backspace'],
  ['escape', 'escape'],
] as const;

/** Names of control characters that have a key of their own. */
const controls: Readonly<Record<string, string>> = {
  '\r': 'return',
  '\n': 'return',
  '\t': 'tab',
  '\b': 'backspace',
  '\x7f': 'backspace',
  '\x1b': 'escape',
};

/** Key names in order: `up`, `return`, `ctrl-d`, or the character itself. */
export function keysOf(input: string, key: InkKey): string[] {
  for (const [property, name] of named) if (key[property]) return [name];
  if (key.ctrl && input.length === 1) return [`ctrl-${input}`];
  if (key.meta) return [];
  return [...graphemes(input)].flatMap((segment) =>
    // A carriage return and a newline are one grapheme.
    /^[\x00-\x1f\x7f]+$/.test(segment)
      ? [controls[segment[0]!] ?? `ctrl-${String.fromCharCode(segment.charCodeAt(0) + 96)}`]
      : [segment],
  );
}
