/** Styled text: what a line of the view is made of, and how it becomes bytes for a terminal. */

/** How a piece of text looks. Colour is never the only carrier of a meaning. */
export interface Style {
  readonly bold?: boolean;
  readonly dim?: boolean;
  /** Foreground and background exchanged: the cursor. */
  readonly inverse?: boolean;
  readonly colour?: 'green' | 'red' | 'cyan' | 'yellow';
}

/** A piece of text in one style. */
export interface Span extends Style {
  readonly text: string;
}

/** One line of the screen. */
export type Line = readonly Span[];

const colours = { red: 31, green: 32, yellow: 33, cyan: 36 };

/** A line with SGR sequences (ECMA-48). @param colour whether colours are written; bold, dim and inverse always are. */
export function toAnsi(line: Line, colour: boolean): string {
  return line
    .map(({ text, bold, dim, inverse, colour: name }) => {
      const codes = [
        ...(bold ? [1] : []),
        ...(dim ? [2] : []),
        ...(inverse ? [7] : []),
        ...(colour && name !== undefined ? [colours[name]] : []),
      ];
      return codes.length === 0 || text === '' ? text : `\x1b[${codes.join(';')}m${text}\x1b[0m`;
    })
    .join('');
}

/** A line's text without styles. */
export function toText(line: Line): string {
  return line.map(({ text }) => text).join('');
}
