/** What the view shows at a moment, and what each key makes of it. Pure. */
import { deltaOf, orderColumns } from '../../core/metrics/compare.ts';
import type { Table } from '../../core/metrics/table.ts';
import type { DeltaMode } from '../report/metrics-table.ts';
import { graphemes } from '../report/width.ts';
import { groupIds, type Outline, outlineOf, type RowFilter, type ViewRow, visibleRows } from './outline.ts';

/** What does not change while the view is open. */
export interface View {
  /** The command line the view stands for, as its title. */
  readonly title: string;
  readonly table: Table;
  readonly outline: Outline;
  /** What ages are counted from. */
  readonly now: Date;
}

/** Size of the terminal in cells. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A moment of the view. */
export interface State extends RowFilter {
  /** Index into the visible rows. */
  readonly row: number;
  /** Index into the columns' order; 0 is the baseline. */
  readonly column: number;
  /** First visible row. */
  readonly top: number;
  /** First visible column behind the baseline, an index into the columns' order from 1. */
  readonly left: number;
  /** The table's column the others are measured by. */
  readonly baseline: number;
  /** The table's row columns are ordered by. */
  readonly sort: { readonly row: number; readonly reversed: boolean } | undefined;
  readonly mode: DeltaMode;
  /** Whether keys go into the filter. */
  readonly typing: boolean;
  /** Whether the list of keys covers the rows. */
  readonly help: boolean;
}

/** Makes a view of a table whose first column is the baseline. */
export function createView(table: Table, title: string, now: Date): View {
  return { table, title, now, outline: outlineOf(table) };
}

/** How the view begins: groups are folded when not everything fits. */
export function initialState(view: View, size: Size, changedOnly: boolean): State {
  const open: RowFilter = { filter: '', changedOnly, folded: new Set() };
  const rows = visibleRows(view.outline, view.table, open);
  return {
    ...open,
    folded: new Set(rows.length <= bodyHeight(size) ? [] : groupIds(view.outline)),
    row: Math.max(
      0,
      rows.findIndex((row) => row.kind === 'value'),
    ),
    column: Math.min(1, view.table.revs.length - 1),
    top: 0,
    left: 1,
    baseline: 0,
    sort: undefined,
    mode: 'delta',
    typing: false,
    help: false,
  };
}

/** Table columns in the order they are shown: the baseline, then as given or sorted. */
export function columnOrder(view: View, state: Pick<State, 'baseline' | 'sort'>): number[] {
  const others = view.table.revs.map((_, i) => i).filter((i) => i !== state.baseline);
  const row = state.sort && view.table.rows[state.sort.row];
  return [state.baseline, ...(row ? orderColumns(row, others, state.sort!.reversed) : others)];
}

/** The visible rows of a state. */
export function rowsOf(view: View, state: State): ViewRow[] {
  return visibleRows(view.outline, view.table, state);
}

/** Lines above the rows: title, names, and on all but tiny terminals commits and subjects. */
export function headHeight({ height }: Size): number {
  return height < 12 ? 2 : 4;
}

/** Lines below the rows: about the cell, and the keys. */
export const footHeight = 2;

/** How many rows fit. One line of the terminal stays free: a full screen would scroll. */
export function bodyHeight(size: Size): number {
  return Math.max(1, size.height - 1 - headHeight(size) - footHeight);
}

/** Brings cursor and scrolling into range, after any change of rows or size. @param fitting columns that fit behind the baseline. */
export function settle(view: View, state: State, size: Size, fitting: number): State {
  const rows = rowsOf(view, state).length;
  const row = clamp(state.row, 0, rows - 1);
  const column = clamp(state.column, 0, view.table.revs.length - 1);
  const body = bodyHeight(size);
  const last = Math.max(1, view.table.revs.length - fitting);
  let left = clamp(state.left, 1, last);
  if (column > 0) left = clamp(left, column - fitting + 1, column);
  // A heading right above stays in sight when the cursor is on the first row.
  const top = clamp(clamp(state.top, row - body + 1, row <= 1 ? 0 : row), 0, Math.max(0, rows - body));
  return { ...state, row, column, top, left: Math.max(1, left) };
}

const clamp = (value: number, least: number, most: number) => Math.max(least, Math.min(most, value));

const modes: readonly DeltaMode[] = ['delta', 'percent', 'none'];

/** What a key makes of a state; `settle` follows. `q` and Ctrl-C are not for here. */
export function press(view: View, state: State, key: string, size: Size): State {
  if (state.help) return { ...state, help: false };
  if (state.typing) return typeFilter(state, key);
  const rows = rowsOf(view, state);
  const page = Math.max(1, bodyHeight(size) - 1);
  const move = (by: number): State => ({ ...state, row: clamp(state.row + by, 0, rows.length - 1) });
  const side = (by: number): State => ({
    ...state,
    column: clamp(state.column + by, 0, view.table.revs.length - 1),
  });
  switch (key) {
    case 'j':
    case 'down':
      return move(1);
    case 'k':
    case 'up':
      return move(-1);
    case 'l':
    case 'right':
      return side(1);
    case 'h':
    case 'left':
      return side(-1);
    case 'g':
    case 'home':
      return move(-rows.length);
    case 'G':
    case 'end':
      return move(rows.length);
    case '0':
    case '^':
      return side(-view.table.revs.length);
    case '$':
      return side(view.table.revs.length);
    case ' ':
    case 'pagedown':
    case 'ctrl-f':
      return { ...move(page), top: state.top + page };
    case 'pageup':
    case 'ctrl-b':
      return { ...move(-page), top: state.top - page };
    case 'ctrl-d':
      return move(Math.ceil(page / 2));
    case 'ctrl-u':
      return move(-Math.ceil(page / 2));
    case 'n':
    case 'N':
      return toDifference(view, state, rows, key === 'n' ? 1 : -1);
    case '/':
      return { ...state, typing: true };
    case 'escape':
      return keepRow(view, state, { ...state, filter: '' });
    case 'm':
      return { ...state, baseline: columnOrder(view, state)[state.column]!, column: 0, left: 1 };
    case 's':
      return sortBy(state, rows[state.row]);
    case 'S':
      return { ...state, sort: undefined };
    case 'u':
      return keepRow(view, state, { ...state, changedOnly: !state.changedOnly });
    case 'd':
      return { ...state, mode: modes[(modes.indexOf(state.mode) + 1) % modes.length]! };
    case 'tab':
      return fold(view, state, rows[state.row]);
    case 'Z': {
      const all = groupIds(view.outline);
      const open = all.every((id) => state.folded.has(id));
      return keepRow(view, state, { ...state, folded: new Set(open ? [] : all) });
    }
    case '?':
      return { ...state, help: true };
    default:
      return state;
  }
}

function typeFilter(state: State, key: string): State {
  if (key === 'return') return { ...state, typing: false };
  if (key === 'escape') return { ...state, typing: false, filter: '', row: 0 };
  if (key === 'backspace')
    return { ...state, filter: [...graphemes(state.filter)].slice(0, -1).join(''), row: 0 };
  if (key === 'ctrl-u') return { ...state, filter: '', row: 0 };
  // Names of keys are longer than what a key types, which is one grapheme.
  if (/^(?:ctrl-.|[a-z]{2,})$/.test(key)) return state;
  return { ...state, filter: state.filter + key, row: 0 };
}

function sortBy(state: State, row: ViewRow | undefined): State {
  if (row?.kind !== 'value') return state;
  const again = state.sort?.row === row.row;
  return {
    ...state,
    sort: { row: row.row, reversed: again ? !state.sort!.reversed : false },
    column: 1,
    left: 1,
  };
}

/** Folds or unfolds what the cursor is in, and puts the cursor on its heading. */
function fold(view: View, state: State, row: ViewRow | undefined): State {
  if (row === undefined) return state;
  const id = row.kind === 'section' || row.kind === 'group' ? row.id : row.within;
  const folded = new Set(state.folded);
  if (!folded.delete(id)) folded.add(id);
  const next = { ...state, folded };
  const heading = rowsOf(view, next).findIndex((other) => 'id' in other && other.id === id);
  return heading === -1 ? next : { ...next, row: heading };
}

const sameRow = (a: ViewRow, b: ViewRow) =>
  a.kind === b.kind &&
  ('id' in a && 'id' in b
    ? a.id === b.id
    : a.kind === 'value' && b.kind === 'value'
      ? a.row === b.row
      : a.kind === 'data' && b.kind === 'data' && a.path === b.path);

/** Keeps the cursor on its row when rows around it come or go. */
function keepRow(view: View, before: State, after: State): State {
  const row = rowsOf(view, before)[before.row];
  if (row === undefined) return after;
  const rows = rowsOf(view, after);
  const at = rows.findIndex((other) => sameRow(other, row));
  if (at !== -1) return { ...after, row: at, top: after.top + at - before.row };
  return { ...after, row: Math.min(before.row, Math.max(0, rows.length - 1)) };
}

/** Goes to the next row whose value in this column is not the baseline's. */
function toDifference(view: View, state: State, rows: readonly ViewRow[], step: 1 | -1): State {
  const column = columnOrder(view, state)[state.column]!;
  for (let at = state.row + step; at >= 0 && at < rows.length; at += step) {
    const row = rows[at]!;
    if (row.kind !== 'value') continue;
    const tableRow = view.table.rows[row.row]!;
    const differs =
      deltaOf(tableRow, column, state.baseline) !== undefined ||
      !Object.is(tableRow.values[column], tableRow.values[state.baseline]);
    if (differs) return { ...state, row: at };
  }
  return state;
}
