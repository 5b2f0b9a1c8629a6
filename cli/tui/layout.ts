/** How the width of a terminal is shared among labels and columns. Pure. */

import stringWidth from 'string-width';
import { dataPaths } from '../../core/metrics/table.ts';
import { cleanLine } from '../report/clean-line.ts';
import { type Cell, type DeltaMode, dataCells, rowCells } from '../report/metrics-table.ts';
import { type Measure, remembering } from '../report/width.ts';
import type { Size, State, View } from './state.ts';

/** Cells a text takes; remembers what it measured. */
export const measure: Measure = remembering(stringWidth);

/** Cells of a terminal for each part of a line. */
export interface Layout {
  readonly label: number;
  readonly baseline: number;
  /** Of every other column. */
  readonly column: number;
  /** How many other columns fit. */
  readonly fitting: number;
}

/** Space between columns. */
export const gap = 2;
/** What stands between the baseline and the others. */
export const divider = '│';
/** Cells in front of a row's label, and of one in a group. */
export const rowIndent = 2;
export const memberIndent = 4;
/** What a group's label has around it: indent, sign, and how many rows it has. */
const groupRoom = 9;
/** Longer numbers stand out to the right, so that one of them does not make every column wide. */
const longestAligned = 8;
/** The narrowest and widest a number's column is, before a name asks for more. */
const [narrowest, widest] = [15, 22];
/** The widest a column grows for its commit's subject: much wider, and numbers of a row stand too far apart. */
const widestForSubject = 30;

/** Widths of a table's content; they do not depend on the state, so that columns do not jump. */
interface Widths {
  readonly label: number;
  readonly value: number;
  /** Of what is said about tracked data. */
  readonly data: number;
  readonly names: readonly number[];
  /** Of the commits' subjects. */
  readonly subjects: readonly number[];
}

const knownWidths = new WeakMap<View, Widths>();
const knownCells = new WeakMap<View, Map<string, readonly Cell[]>>();

/** The cells of one row of the table, computed once per baseline and mode. */
export function cellsOf(view: View, row: number, baseline: number, mode: DeltaMode): readonly Cell[] {
  return remember(view, `${row} ${baseline} ${mode}`, () => rowCells(view.table.rows[row]!, baseline, mode));
}

/** The cells of one tracked path. */
export function dataCellsOf(view: View, path: string, baseline: number): readonly Cell[] {
  return remember(view, `${path} ${baseline} data`, () => dataCells(view.table, path, baseline, 4));
}

function remember(view: View, key: string, make: () => readonly Cell[]): readonly Cell[] {
  let cells = knownCells.get(view);
  if (cells === undefined) {
    cells = new Map();
    knownCells.set(view, cells);
  }
  let row = cells.get(key);
  if (row === undefined) {
    row = make();
    cells.set(key, row);
  }
  return row;
}

function widthsOf(view: View): Widths {
  const known = knownWidths.get(view);
  if (known !== undefined) return known;
  const { table, outline } = view;
  const numbers = table.rows.flatMap((row, i) =>
    row.values.some((value) => typeof value === 'string') ? [] : [i],
  );
  // The widest of a row's values is its longest text: numbers, marks and signs are one cell per character.
  const value = numbers.reduce(
    (most, row) =>
      cellsOf(view, row, 0, 'none').reduce((longest, cell) => Math.max(longest, cell.value.length), most),
    1,
  );
  const labels = outline.flatMap(({ parts }) =>
    parts.flatMap((part) =>
      'items' in part
        ? [measure(part.label) + groupRoom, ...part.items.map(({ label }) => measure(label) + memberIndent)]
        : [measure(part.label) + rowIndent],
    ),
  );
  const widths = {
    label: Math.max(10, ...labels, ...dataPaths(table).map((path) => measure(cleanLine(path)) + rowIndent)),
    value: Math.min(value, longestAligned),
    data: dataPaths(table)
      .flatMap((path) => dataCellsOf(view, path, 0))
      .reduce((most, cell) => Math.max(most, cell.value.length + 1 + cell.delta.length), 0),
    names: table.revs.map((revision) => measure(cleanLine(revision.name))),
    subjects: table.revs.map((revision) => measure(cleanLine(revision.subject ?? ''))),
  };
  knownWidths.set(view, widths);
  return widths;
}

/** Width a value is padded to, so that numbers of a column stand below each other. */
export function valueWidth(view: View): number {
  return widthsOf(view).value;
}

/** Shares the width: whole columns or none, wider where there is room for names, then for subjects. */
export function layoutOf(view: View, state: Pick<State, 'baseline'>, { width }: Size): Layout {
  const { label: wanted, value, data, names, subjects } = widthsOf(view);
  const label = Math.min(wanted, 40, Math.max(14, Math.floor(width * 0.34))) + 1;
  // A mark, the value, a space, an arrow and a difference as long as the value.
  const cell = Math.max(narrowest, Math.min(widest, 1 + Math.max(value + 2 + value, data)));
  const own = Math.max(
    Math.min(narrowest, 1 + Math.max(value, 12)),
    1 + Math.min(names[state.baseline] ?? 0, widest),
  );
  // The last column needs no gap behind it.
  const room = Math.max(0, width - label - own - 1 - divider.length + gap);
  const others = names.filter((_, i) => i !== state.baseline);
  const longest = 1 + Math.max(0, ...others);
  const fitting = Math.max(1, Math.min(others.length || 1, Math.floor(room / (cell + gap))));
  const column = Math.max(
    Math.min(cell + gap, room),
    Math.min(Math.floor(room / fitting), Math.max(cell, Math.min(longest, 40)) + gap),
  );
  const spare = Math.floor(Math.max(0, room - fitting * column) / (fitting + 1));
  const grown = (width: number, subject: number) =>
    Math.max(width, Math.min(width + spare, 1 + subject, widestForSubject));
  const longestSubject = Math.max(0, ...subjects.filter((_, i) => i !== state.baseline));
  return {
    label,
    baseline: grown(own, subjects[state.baseline] ?? 0),
    column: grown(column - gap, longestSubject),
    fitting,
  };
}
