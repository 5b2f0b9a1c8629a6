/** The keys of the view, as a list and as hints at the foot of the screen. */
import { toWidth, truncate } from '../report/width.ts';
import { measure } from './layout.ts';
import type { Line } from './spans.ts';
import type { State } from './state.ts';

/** Every key and what it does. */
const keys = [
  ['h j k l, arrows', 'move'],
  ['g G 0 $', 'first, last row; first, last revision'],
  ['Space, Ctrl-d', 'a page, half a page down'],
  ['PgUp, Ctrl-u', 'a page, half a page up'],
  ['n N', 'next, previous difference here'],
  ['m', 'measure by this revision'],
  ['s S', 'sort by this row, reversed; not at all'],
  ['/', 'filter rows; Esc clears'],
  ['u', 'only what differs, or all'],
  ['d', 'difference, percent, or values alone'],
  ['Tab Z', 'fold, unfold this group; all groups'],
  ['q, Ctrl-C', 'quit'],
] as const;

/** The list of keys, on the whole screen; in two columns where it is too low and wide enough. */
export function helpLines(width: number, height: number): Line[] {
  const columns = keys.length < height || width < 2 * 58 ? 1 : 2;
  const each = Math.floor(width / columns);
  const rows = Math.ceil(keys.length / columns);
  const lines: Line[] = [
    [
      { text: 'Keys', bold: true },
      { text: '   any key goes back', dim: true },
    ],
  ];
  for (let row = 0; row < rows; row++) {
    lines.push(
      Array.from({ length: columns }, (_, column) => keys[column * rows + row]).flatMap((pair) =>
        pair === undefined
          ? []
          : [
              { text: toWidth(pair[0], 18, measure), bold: true },
              { text: toWidth(pair[1], each - 18, measure) },
            ],
      ),
    );
  }
  return lines.slice(0, height);
}

/** Keys that matter now, as many as fit. */
export function hints(state: State, width: number): string {
  if (state.typing) return truncate('Enter keeps  Esc clears  a|b either', width, measure);
  const all = [
    'hjkl move',
    'm baseline',
    's sort',
    '/ filter',
    state.changedOnly ? 'u all rows' : 'u only changed',
    `d ${state.mode === 'delta' ? 'percent' : state.mode === 'percent' ? 'values' : 'difference'}`,
    'Tab fold',
    'n next',
  ];
  const last = state.filter === '' ? '? keys  q quit' : 'Esc clear filter  ? keys  q quit';
  while (all.length > 0 && measure([...all, last].join('  ')) > width) all.pop();
  return truncate([...all, last].join('  '), width, measure);
}
