/** A comparison table as words: cells for every view, and the aligned text, Markdown and CSV that are printed. */
import { bestColumns, deltaOf, differs } from '../../core/metrics/compare.ts';
import { dataPaths, type Row, type Table } from '../../core/metrics/table.ts';
import { cleanLine } from './clean-line.ts';
import {
  formatAge,
  formatDelta,
  formatFor,
  formatNumber,
  formatPercent,
  type NumberFormat,
} from './numbers.ts';
import { type Measure, toWidth, truncateMiddle } from './width.ts';
import { countOf, formatCount } from './words.ts';

/** What is shown beside a value. */
export type DeltaMode = 'delta' | 'percent' | 'none';

/** One cell, cleaned, not yet aligned. */
export interface Cell {
  readonly value: string;
  readonly best: boolean;
  /** `▲0.0221`, `+2.4%`, or empty. */
  readonly delta: string;
  /** Whether the difference is an improvement; undefined where there is none or the direction is unknown. */
  readonly improved?: boolean;
}

/** Written where a revision has no value. */
export const missing = '—';

/** The precision of a row; scores and losses around one have four digits behind the point, so that they line up. */
export function formatOf(row: Row): NumberFormat {
  const format = formatFor(row.values);
  const isScore =
    row.better !== undefined &&
    row.values.some((value) => typeof value === 'number' && !Number.isInteger(value)) &&
    row.values.every((value) => typeof value !== 'number' || !(Math.abs(value) >= 10));
  return isScore && !format.exponent ? { ...format, decimals: Math.max(4, format.decimals) } : format;
}

/** The cells of one row. @param baseline the column others are measured by. */
export function rowCells(row: Row, baseline: number, mode: DeltaMode): Cell[] {
  const format = formatOf(row);
  const best = bestColumns(row);
  return row.values.map((value, column) => {
    const shown =
      value === null ? missing : typeof value === 'number' ? formatNumber(value, format) : cleanLine(value);
    const delta = column === baseline || mode === 'none' ? undefined : deltaOf(row, column, baseline);
    if (delta === undefined) return { value: shown, best: best.has(column), delta: '' };
    const text =
      mode === 'percent' && delta.ratio !== undefined
        ? formatPercent(delta.ratio)
        : formatDelta(delta.difference, format);
    return {
      value: shown,
      best: best.has(column),
      delta: text,
      ...(delta.improved === undefined ? {} : { improved: delta.improved }),
    };
  });
}

/**
 * The cells of one tracked path: the digest's first digits, how many files, and the change in files.
 * @param baseline the column others are compared with; −1 for none.
 */
export function dataCells(table: Table, path: string, baseline: number, digits = 6): Cell[] {
  const baseDigest = table.revs[baseline]?.dataDigests[path];
  const baseFiles = table.revs[baseline]?.dataFiles[path];
  return table.revs.map((revision, column) => {
    const digest = revision.dataDigests[path];
    const files = revision.dataFiles[path];
    if (digest === undefined || files === undefined) return { value: missing, best: false, delta: '' };
    const value = `${digest.slice(digest.indexOf(':') + 1).slice(0, digits)} ${formatCount(files)}`;
    if (column === baseline || baseDigest === undefined || baseFiles === undefined || digest === baseDigest) {
      return { value, best: false, delta: '' };
    }
    const more = files - baseFiles;
    const delta = more === 0 ? 'changed' : `${more > 0 ? '+' : '−'}${formatCount(Math.abs(more))}`;
    return { value, best: false, delta };
  });
}

/** Whether a tracked path is not the same in all revisions. */
export function dataDiffers(table: Table, path: string): boolean {
  return differs(table.revs.map((revision) => revision.dataDigests[path] ?? null));
}

/** Everything of a table that will be printed and comes from the repository: to choose a measure by. */
export function* textsOf(table: Table): Generator<string> {
  for (const revision of table.revs) yield cleanLine(revision.name);
  for (const path of dataPaths(table)) yield cleanLine(path);
  for (const row of table.rows) {
    yield cleanLine(row.file);
    yield cleanLine(row.key);
    for (const value of row.values) if (typeof value === 'string') yield cleanLine(value);
  }
}

/** What of a table is printed, and how wide. */
export interface PrintOptions {
  /** Whether rows that are equal in all revisions are printed too. */
  readonly all: boolean;
  /** Whether columns are compared with the first one. */
  readonly compare: boolean;
  readonly now: Date;
  readonly measure: Measure;
  /** Width of the terminal in cells; columns that do not fit go into further tables below. */
  readonly width?: number;
}

/** A line of a table: a heading, or a label with one cell per revision. */
interface PrintedRow {
  readonly label: string;
  readonly cells?: readonly Cell[];
  /** Whether the cells are numbers, which are aligned on the right. */
  readonly numbers?: boolean;
}

function printedRows(table: Table, { all, compare }: Pick<PrintOptions, 'all' | 'compare'>): PrintedRow[] {
  const mode = compare ? 'delta' : 'none';
  const rows: PrintedRow[] = [];
  const paths = dataPaths(table).filter((path) => all || dataDiffers(table, path));
  if (paths.length > 0) rows.push({ label: 'data' });
  for (const path of paths)
    rows.push({ label: `  ${cleanLine(path)}`, cells: dataCells(table, path, compare ? 0 : -1) });
  let file: string | undefined;
  for (const row of table.rows) {
    if (!all && !differs(row.values)) continue;
    if (row.file !== file) rows.push({ label: cleanLine(row.file) });
    file = row.file;
    const numbers = row.values.every((value) => typeof value !== 'string');
    rows.push({ label: `  ${cleanLine(row.key)}`, cells: rowCells(row, 0, mode), numbers });
  }
  return rows;
}

/** Whether anything of a table is different between its revisions. */
export function hasDifference(table: Table): boolean {
  return (
    table.rows.some((row) => differs(row.values)) || dataPaths(table).some((path) => dataDiffers(table, path))
  );
}

const nameList = (names: readonly string[]) =>
  names.length < 3 ? names.join(' and ') : `${names.length} revisions`;

/** One sentence where there is nothing to compare or nothing differs, else undefined. */
export function sentenceFor(table: Table, kind: 'metrics' | 'params'): string | undefined {
  const names = table.revs.map((revision) => cleanLine(revision.name));
  if (table.rows.length === 0) {
    const where = names.length === 0 ? 'any branch' : nameList(names);
    return kind === 'metrics'
      ? `No metrics in ${where}. They are JSON or YAML files below a folder metrics/, kept in git.`
      : `No params.yaml in ${where}.`;
  }
  if (hasDifference(table) && names.length > 1) return undefined;
  const counted = `${countOf(table.rows.length, kind.slice(0, -1))} compared`;
  return names.length === 1
    ? `No difference between ${names[0]} and the workspace (${counted}). --all-branches compares branches.`
    : `No difference between ${nameList(names)} (${counted}).`;
}

/**
 * A cell as text that begins with the place for the mark of the best: ` 0.9120`, `*0.9341 ▲0.0221`.
 * @param valueWidth the value is padded on its left to this width; the mark stands right before it.
 */
export function cellText({ value, best, delta }: Cell, valueWidth: number, measure: Measure): string {
  const padding = ' '.repeat(Math.max(0, valueWidth - measure(value)));
  return `${padding}${best ? '*' : ' '}${value}${delta === '' ? '' : ` ${delta}`}`;
}

/** The table as aligned lines for a person. */
export function plainTable(table: Table, options: PrintOptions): string {
  const { measure, now } = options;
  const rows = printedRows(table, options);
  const labelWidth = Math.min(48, Math.max(0, ...rows.map(({ label }) => measure(label)))) + 2;
  const columns = table.revs.map((revision, at) => {
    const numbers = rows.flatMap((row) => (row.numbers ? [row.cells![at]!.value] : []));
    const valueWidth = Math.max(0, ...numbers.map(measure));
    const texts = rows.map(({ cells, numbers }) =>
      cells === undefined ? '' : cellText(cells[at]!, numbers ? valueWidth : 0, measure),
    );
    const name = cleanLine(revision.name);
    const about =
      revision.commit === null || revision.date === null
        ? ''
        : `${revision.commit.slice(0, 7)} ${formatAge(revision.date, now)}`;
    // One cell in front is for the mark of the best.
    const width = Math.max(Math.min(measure(name), 40) + 1, measure(about) + 1, ...texts.map(measure));
    return { heads: [` ${truncateMiddle(name, width - 1, measure)}`, ` ${about}`], texts, width };
  });
  const line = (label: string, texts: readonly string[], shown: readonly number[]) =>
    shown
      .reduce(
        (text, column, i) => `${text}${toWidth(texts[i]!, columns[column]!.width, measure)}  `,
        toWidth(truncateMiddle(label, labelWidth - 2, measure), labelWidth, measure),
      )
      .trimEnd();

  const tables = columnBlocks(
    columns.map(({ width }) => width + 2),
    options.width === undefined ? Number.POSITIVE_INFINITY : options.width - labelWidth,
    options.compare,
  ).map((shown) => {
    const texts = (of: (column: number) => string) => shown.map(of);
    const head = [0, 1].map((i) =>
      line(
        '',
        texts((column) => columns[column]!.heads[i]!),
        shown,
      ),
    );
    const body = rows.map(({ label, cells }, row) =>
      cells === undefined
        ? truncateMiddle(label, labelWidth + 40, measure)
        : line(
            label,
            texts((column) => columns[column]!.texts[row]!),
            shown,
          ),
    );
    return [...head, ...body].join('\n');
  });

  const hidden = options.all ? 0 : table.rows.filter((row) => !differs(row.values)).length;
  const notes: string[] = [];
  if (rows.some(({ cells }) => cells?.some((cell) => cell.best))) notes.push('* best');
  if (options.compare && table.revs.length > 1) notes.push(`▲▼ against ${cleanLine(table.revs[0]!.name)}`);
  if (hidden > 0) notes.push(`${hidden} equal ${hidden === 1 ? 'row' : 'rows'} hidden (--all shows)`);
  return [...tables, ...(notes.length === 0 ? [] : [notes.join(' · ')])].join('\n\n');
}

/** Columns per table, so that each fits; the baseline stands first in each. One more column at least, however narrow. */
function columnBlocks(widths: readonly number[], room: number, repeatFirst: boolean): number[][] {
  const blocks: number[][] = [];
  let block: number[] = [];
  let used = 0;
  for (const [column, width] of widths.entries()) {
    const fixed = repeatFirst ? 1 : 0;
    if (block.length > fixed && used + width > room) {
      blocks.push(block);
      block = repeatFirst ? [0] : [];
      used = repeatFirst ? widths[0]! : 0;
    }
    block.push(column);
    used += width;
  }
  if (block.length > 0) blocks.push(block);
  return blocks;
}

/** Text for a cell of a Markdown table, where nothing in it is markup. */
const escapeMarkdown = (text: string) =>
  cleanLine(text).replace(/[\\`*_{}[\]<>#|~&!]/g, (character) => `\\${character}`);

/** The table in GitHub's Markdown, numbers right-aligned, the best in bold. */
export function markdownTable(table: Table, options: Pick<PrintOptions, 'all' | 'compare'>): string {
  const rows = printedRows(table, options);
  const line = (parts: readonly string[]) => `| ${parts.join(' | ')} |`;
  const names = table.revs.map((revision) => escapeMarkdown(revision.name));
  const lines = [
    line(['', ...names]),
    `|:--|${'--:|'.repeat(names.length)}`,
    line(['commit', ...table.revs.map((revision) => revision.commit?.slice(0, 7) ?? '')]),
  ];
  for (const { label, cells } of rows) {
    if (cells === undefined) lines.push(line([`**${escapeMarkdown(label)}**`, ...names.map(() => '')]));
    else {
      lines.push(
        line([
          escapeMarkdown(label.trim()),
          ...cells.map(({ value, best, delta }) => {
            const text = escapeMarkdown(value);
            return [best ? `**${text}**` : text, delta].filter((part) => part !== '').join(' ');
          }),
        ]),
      );
    }
  }
  return lines.join('\n');
}

/** Text for a CSV cell (RFC 4180). What a spreadsheet would run as a formula is kept text by a quote in front. */
function csvCell(value: string | number | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const text = cleanLine(value);
  const safe = /^[=+\-@\t]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The table as CSV with full precision: file, key, one column per revision; tracked data as keys digest and files. */
export function csvTable(table: Table, { all }: Pick<PrintOptions, 'all'>): string {
  const lines: (string | number | null)[][] = [
    ['file', 'key', ...table.revs.map((revision) => revision.name)],
  ];
  for (const path of dataPaths(table)) {
    if (!all && !dataDiffers(table, path)) continue;
    lines.push([path, 'digest', ...table.revs.map((revision) => revision.dataDigests[path] ?? null)]);
    lines.push([path, 'files', ...table.revs.map((revision) => revision.dataFiles[path] ?? null)]);
  }
  for (const row of table.rows) {
    if (all || differs(row.values)) lines.push([row.file, row.key, ...row.values]);
  }
  return lines.map((line) => line.map(csvCell).join(',')).join('\n');
}
