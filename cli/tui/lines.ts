/** The screen: a moment of the view as lines. Pure; a line is never wider than the terminal. */
import { bestColumns, deltaOf, differs } from '../../core/metrics/compare.ts';
import { dataPaths } from '../../core/metrics/table.ts';
import { cleanLine } from '../report/clean-line.ts';
import { type Cell, cellText, dataDiffers, formatOf, missing } from '../report/metrics-table.ts';
import { formatAge, formatDelta, formatPercent } from '../report/numbers.ts';
import { toWidth, truncate, truncateMiddle } from '../report/width.ts';
import { countOf, formatCount } from '../report/words.ts';
import { helpLines, hints } from './help.ts';
import {
  cellsOf,
  dataCellsOf,
  divider,
  gap,
  type Layout,
  layoutOf,
  measure,
  memberIndent,
  rowIndent,
  valueWidth,
} from './layout.ts';
import type { ViewRow } from './outline.ts';
import type { Line, Span, Style } from './spans.ts';
import {
  bodyHeight,
  columnOrder,
  headHeight,
  rowsOf,
  type Size,
  type State,
  settle,
  type View,
} from './state.ts';

/** What one frame is made from. */
interface Frame {
  readonly view: View;
  readonly state: State;
  readonly size: Size;
  readonly layout: Layout;
  readonly rows: readonly ViewRow[];
  /** Table columns in order; the first is the baseline. */
  readonly order: readonly number[];
  /** The columns on the screen behind the baseline, as indexes into `order`. */
  readonly shown: readonly number[];
}

/** The state with cursor and scrolling brought into range for a terminal. */
export function settled(view: View, state: State, size: Size): State {
  return settle(view, state, size, layoutOf(view, state, size).fitting);
}

/** All lines of the screen, one fewer than the terminal has. @param state settled for this size. */
export function linesOf(view: View, state: State, size: Size): Line[] {
  if (size.width < 34 || size.height < 7) return tooSmall(size);
  const layout = layoutOf(view, state, size);
  const order = columnOrder(view, state);
  const last = Math.min(order.length, state.left + layout.fitting);
  const shown = Array.from({ length: Math.max(0, last - state.left) }, (_, i) => state.left + i);
  const frame: Frame = { view, state, size, layout, rows: rowsOf(view, state), order, shown };
  if (state.help) return helpLines(size.width, size.height - 1);
  const height = bodyHeight(size);
  const body = bodyLines(frame, height);
  while (body.length < height) body.push([]);
  const head = [titleLine(frame), namesLine(frame)];
  if (headHeight(size) > 2) head.push(commitsLine(frame), subjectsLine(frame));
  return [...head, ...body, aboutLine(frame), hintsLine(frame)].map((line) => cut(line, size.width));
}

function tooSmall({ width, height }: Size): Line[] {
  const lines: Line[] = ['this terminal is too small', 'q quits'].map((text) => [
    { text: truncate(text, width, measure) },
  ]);
  return lines.slice(0, Math.max(1, height - 1));
}

const widthOf = (line: Line): number => {
  let width = 0;
  for (const { text } of line) width += measure(text);
  return width;
};

/** Cuts a line to a width. */
function cut(line: Line, width: number): Line {
  if (widthOf(line) <= width) return line;
  const spans: Span[] = [];
  let left = width;
  for (const span of line) {
    const text = truncate(span.text, left, measure);
    if (text !== '') spans.push({ ...span, text });
    left -= measure(text);
  }
  return spans;
}

const nameOf = (view: View, column: number) => cleanLine(view.table.revs[column]!.name);

function titleLine({ view, state, size, order, shown, rows }: Frame): Line {
  const { revs, rows: tableRows } = view.table;
  const sort = state.sort && tableRows[state.sort.row];
  const direction = sort?.better === undefined ? ['highest', 'lowest'] : ['best', 'worst'];
  const counted = rows.reduce((sum, row) => sum + (row.kind === 'section' ? row.count : 0), 0);
  const parts = [
    countOf(revs.length, 'revision'),
    state.filter !== '' && !state.typing ? `filter ${state.filter} (${countOf(counted, 'row')})` : '',
    sort ? `sorted by ${cleanLine(sort.key)}, ${direction[state.sort!.reversed ? 1 : 0]} first` : '',
    `baseline ${truncateMiddle(nameOf(view, state.baseline), 24, measure)}`,
    state.changedOnly ? hiddenWords(view) : '',
  ].filter((part) => part !== '');
  const before = shown.length === 0 ? 0 : shown[0]! - 1;
  const after = shown.length === 0 ? 0 : order.length - 1 - shown.at(-1)!;
  const arrows = [before > 0 ? `← ${before}` : '', after > 0 ? `${after} →` : '']
    .filter((part) => part !== '')
    .join('  ');
  const { title } = view;
  let room = size.width - measure(title) - measure(arrows) - 2;
  const fits = parts.filter((part) => {
    const width = measure(part) + 3;
    if (width > room) return false;
    room -= width;
    return true;
  });
  const text = fits.map((part) => `   ${part}`).join('');
  const space = ' '.repeat(Math.max(1, size.width - measure(title) - measure(text) - measure(arrows) - 1));
  return [{ text: title, bold: true }, { text }, { text: space }, { text: arrows, bold: true }];
}

/** A line of the table: a label, the baseline's cell, the divider, the others' cells. */
function tableLine(frame: Frame, label: Span, cell: (column: number, at: number) => Span[]): Line {
  const { layout, order, shown } = frame;
  const line: Span[] = [{ ...label, text: toWidth(label.text, layout.label - 1, measure) }, { text: ' ' }];
  const add = (spans: readonly Span[], width: number) => {
    const cells = cut(spans, width);
    line.push(...cells, { text: ' '.repeat(Math.max(0, width - widthOf(cells))) });
  };
  add(cell(order[0]!, 0), layout.baseline);
  if (order.length > 1) line.push({ text: ` ${divider}`, dim: true });
  for (const [i, at] of shown.entries()) {
    if (i > 0) line.push({ text: ' '.repeat(gap) });
    add(cell(order[at]!, at), layout.column);
  }
  return line;
}

function namesLine(frame: Frame): Line {
  const { view, state, layout } = frame;
  return tableLine(frame, { text: '' }, (column, at) => {
    const width = (at === 0 ? layout.baseline : layout.column) - 1;
    const name = truncateMiddle(nameOf(view, column), width, measure);
    const isHere = at === state.column;
    return [
      { text: at === 0 ? '●' : ' ', bold: true },
      { text: name, bold: true, inverse: isHere, ...(at === 0 ? { colour: 'cyan' as const } : {}) },
    ];
  });
}

function commitsLine(frame: Frame): Line {
  const { revs } = frame.view.table;
  return tableLine(frame, { text: '' }, (column) => {
    const { commit, date } = revs[column]!;
    if (commit === null || date === null) return [{ text: ' not committed', dim: true }];
    return [{ text: ` ${commit.slice(0, 7)} ${formatAge(date, frame.view.now, 'short')}`, dim: true }];
  });
}

function subjectsLine(frame: Frame): Line {
  const { revs } = frame.view.table;
  return tableLine(frame, { text: '' }, (column) => [
    { text: ` ${cleanLine(revs[column]!.subject ?? '')}`, dim: true },
  ]);
}

function bodyLines(frame: Frame, height: number): Line[] {
  const { rows, state } = frame;
  if (rows.length === 0) return [emptyLine(frame)];
  return rows
    .slice(state.top, state.top + height)
    .map((row, i) => rowLine(frame, row, state.top + i === state.row));
}

function emptyLine({ view, state }: Frame): Line {
  if (state.filter !== '') return [{ text: `  no row has ${JSON.stringify(state.filter)} in its name` }];
  const all = countOf(view.table.rows.length, 'row');
  return [{ text: `  no difference: ${all} equal in all revisions, u shows them` }];
}

function rowLine(frame: Frame, row: ViewRow, isCursor: boolean): Line {
  const { view, state } = frame;
  const isFolded = 'id' in row && state.folded.has(row.id) && state.filter === '';
  const sign = isFolded ? '▸' : '▾';
  const here = isCursor ? { bold: true } : {};
  switch (row.kind) {
    case 'section': {
      const count = isFolded ? ` (${row.count})` : '';
      return [{ text: `${sign} ${row.label}${count}`, bold: true, inverse: isCursor }];
    }
    case 'group': {
      const label = {
        text: `${' '.repeat(rowIndent)}${sign} ${row.label} (${row.rows.length})`,
        inverse: isCursor,
      };
      return tableLine(frame, label, (column, at) =>
        isFolded && at > 0 ? [{ text: ` ${groupSummary(frame, row.rows, column)}`, dim: true }] : [],
      );
    }
    case 'data': {
      const cells = dataCellsOf(view, row.path, state.baseline);
      return tableLine(frame, { text: `${' '.repeat(rowIndent)}${row.label}`, ...here }, (column, at) => {
        const { value, delta } = cells[column]!;
        const isHere = isCursor && at === state.column;
        const plain = delta === '' && at > 0;
        return [
          { text: ' ' },
          { text: value, ...(plain && !isHere ? { dim: true } : {}), ...(isHere ? { inverse: true } : {}) },
          { text: delta === '' ? '' : ` ${delta}`, colour: 'yellow' },
        ];
      });
    }
    case 'value': {
      const cells = cellsOf(view, row.row, state.baseline, state.mode);
      const sorted = state.sort?.row === row.row ? (state.sort.reversed ? ' ▴' : ' ▾') : '';
      const indent = ' '.repeat(row.grouped ? memberIndent : rowIndent);
      const label: Span = {
        text: `${indent}${row.label}${sorted}`,
        ...here,
        ...(sorted === '' ? {} : { bold: true, colour: 'cyan' }),
      };
      const numbers = view.table.rows[row.row]!.values.every((value) => typeof value !== 'string');
      return tableLine(frame, label, (column, at) =>
        valueSpans(cells[column]!, {
          pad: numbers ? valueWidth(view) : 0,
          width: at === 0 ? frame.layout.baseline : frame.layout.column,
          isHere: isCursor && at === state.column,
        }),
      );
    }
  }
}

/** A value's mark, itself, and its delta; of a delta that does not fit, only the arrow. */
function valueSpans(
  full: Cell,
  { pad, width, isHere }: { pad: number; width: number; isHere: boolean },
): Span[] {
  const room = width - Math.max(pad, measure(full.value)) - 2;
  const isShort = measure(full.delta) > room;
  const cell = isShort ? { ...full, delta: /^[▲▼]/.exec(full.delta)?.[0] ?? '' } : full;
  const text = cellText(cell, pad, measure);
  const end = text.length - (cell.delta === '' ? 0 : cell.delta.length + 1);
  const start = end - cell.value.length;
  const colour: Style =
    cell.improved === undefined ? {} : { colour: cell.improved ? ('green' as const) : ('red' as const) };
  return [
    { text: text.slice(0, start - 1) },
    { text: text.slice(start - 1, start), bold: true, colour: 'green' },
    {
      text: cell.value,
      ...(cell.best ? { bold: true } : {}),
      ...(cell.value === missing ? { dim: true } : {}),
      ...(isHere ? { inverse: true } : {}),
    },
    { text: text.slice(end), ...colour },
  ];
}

/** How the rows of a folded group stand to the baseline: `15▲ 1▼ 1=`. */
function groupSummary({ view, state }: Frame, rows: readonly number[], column: number): string {
  let [up, down, equal, gone] = [0, 0, 0, 0];
  for (const at of rows) {
    const row = view.table.rows[at]!;
    const delta = deltaOf(row, column, state.baseline);
    if (delta !== undefined) delta.difference > 0 ? up++ : down++;
    else if (Object.is(row.values[column], row.values[state.baseline])) equal++;
    else gone++;
  }
  const parts = [up > 0 ? `${up}▲` : '', down > 0 ? `${down}▼` : '', equal > 0 ? `${equal}=` : ''];
  return [...parts, gone > 0 ? `${gone}${missing}` : ''].filter((part) => part !== '').join(' ');
}

/** The line that says everything about the cell under the cursor, or what is being typed. */
function aboutLine(frame: Frame): Line {
  const { state, rows } = frame;
  if (state.typing) {
    const count = rows.reduce((sum, row) => sum + (row.kind === 'section' ? row.count : 0), 0);
    return [
      { text: `/${cleanLine(state.filter)}` },
      { text: ' ', inverse: true },
      { text: `  ${countOf(count, 'row')}` },
    ];
  }
  const row = rows[state.row];
  return [{ text: row === undefined ? '' : aboutRow(frame, row) }];
}

function aboutRow(frame: Frame, row: ViewRow): string {
  const { view, state, order } = frame;
  const column = order[state.column]!;
  const name = truncateMiddle(nameOf(view, column), 30, measure);
  const base = truncateMiddle(nameOf(view, state.baseline), 30, measure);
  if (row.kind === 'section') return aboutRevision(frame, column);
  if (row.kind === 'group') return `${row.label}: ${countOf(row.rows.length, 'row')}`;
  if (row.kind === 'data') return aboutData(frame, row.path, column, name, base);

  const tableRow = view.table.rows[row.row]!;
  const subject = `${cleanLine(tableRow.key)} of ${name}`;
  const value = tableRow.values[column];
  if (value === null || value === undefined) {
    const revision = view.table.revs[column]!.name;
    const problem = view.table.problems.find((p) => p.revision === revision && p.file === tableRow.file);
    return problem
      ? `${cleanLine(problem.file)} of ${name}: ${cleanLine(problem.message)}`
      : `${subject}: none`;
  }
  const parts = [`${subject}: ${cellsOf(view, row.row, state.baseline, 'none')[column]!.value}`];
  const rank = rankOf(tableRow.values, column, tableRow.better);
  if (bestColumns(tableRow).has(column)) parts.push(`best of ${tableRow.values.length}`);
  else if (rank !== undefined && differs(tableRow.values)) {
    parts.push(`${ordinal(rank)} of ${tableRow.values.length}`);
  }
  const delta = deltaOf(tableRow, column, state.baseline);
  if (delta !== undefined) {
    const percent = delta.ratio === undefined ? '' : ` (${formatPercent(delta.ratio)})`;
    parts.push(`${formatDelta(delta.difference, formatOf(tableRow))}${percent} against ${base}`);
  } else if (column !== state.baseline && Object.is(value, tableRow.values[state.baseline])) {
    parts.push(`as ${base}`);
  }
  return parts.join(', ');
}

/** `1st`, `2nd`, `11th`. */
function ordinal(place: number): string {
  const isTeen = Math.floor(place / 10) % 10 === 1;
  return `${place}${isTeen ? 'th' : (['th', 'st', 'nd', 'rd'][place % 10] ?? 'th')}`;
}

/** The place of a value among its row's numbers, 1 being the best; undefined where nothing is better. */
function rankOf(
  values: readonly unknown[],
  column: number,
  better: 'higher' | 'lower' | undefined,
): number | undefined {
  const value = values[column];
  if (typeof value !== 'number' || Number.isNaN(value) || better === undefined) return undefined;
  const above = values.filter(
    (other) => typeof other === 'number' && (better === 'higher' ? other > value : other < value),
  );
  return above.length + 1;
}

function aboutData({ view }: Frame, path: string, column: number, name: string, base: string): string {
  const { dataDigests, dataFiles } = view.table.revs[column]!;
  const digest = dataDigests[path];
  if (digest === undefined) return `${cleanLine(path)} of ${name}: not tracked there`;
  const files = `${formatCount(dataFiles[path] ?? 0)} ${dataFiles[path] === 1 ? 'file' : 'files'}`;
  const text = `${cleanLine(path)} of ${name}: ${files}, ${digest.slice(0, 23)}`;
  const baseColumn = view.table.revs.find((revision) => cleanLine(revision.name) === base);
  return baseColumn !== view.table.revs[column] && baseColumn?.dataDigests[path] === digest
    ? `${text}, as ${base}`
    : text;
}

/** Where the cursor is on a heading: what the revision is. */
function aboutRevision({ view }: Frame, column: number): string {
  const { commit, date, subject } = view.table.revs[column]!;
  if (commit === null || date === null)
    return `${nameOf(view, column)}: what is in the folder now, not committed`;
  const age = formatAge(date, view.now);
  const when = age === 'now' ? 'just now' : `${age} ago`;
  return `${nameOf(view, column)}: ${cleanLine(subject ?? '')} (${commit.slice(0, 7)}, ${when})`;
}

/** How many rows are hidden because they are equal everywhere. */
function hiddenWords(view: View): string {
  const { table } = view;
  const hidden =
    table.rows.filter((row) => !differs(row.values)).length +
    dataPaths(table).filter((path) => !dataDiffers(table, path)).length;
  return hidden === 0 ? 'only what differs' : `${hidden} equal hidden`;
}

function hintsLine({ state, size }: Frame): Line {
  return [{ text: hints(state, size.width), dim: true }];
}
