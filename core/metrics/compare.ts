/** What a table says: which values are best, how far each is from the baseline, which rows differ. Pure. */
import type { Row, Table } from './table.ts';
import type { Value } from './values.ts';

const isNumber = (value: Value | null | undefined): value is number =>
  typeof value === 'number' && !Number.isNaN(value);

/** Whether a row has more than one value; one that a revision lacks is a difference. */
export function differs(values: readonly (Value | null)[]): boolean {
  return values.some((value) => !Object.is(value, values[0]));
}

/** Columns whose value is the best of their row: none when the direction is unknown or all are equal. */
export function bestColumns(row: Row): ReadonlySet<number> {
  const numbers = row.values.filter(isNumber);
  if (row.better === undefined || numbers.length < 2) return new Set();
  const top = numbers.reduce((a, b) => (row.better === 'higher' ? Math.max(a, b) : Math.min(a, b)));
  if (numbers.every((value) => value === top)) return new Set();
  return new Set(row.values.flatMap((value, column) => (value === top ? [column] : [])));
}

/** How a value stands to the baseline's. */
export interface Delta {
  /** value − baseline. */
  readonly difference: number;
  /** difference ÷ |baseline|; undefined for a baseline of 0. */
  readonly ratio: number | undefined;
  /** Whether that is an improvement; undefined where the row's direction is unknown. */
  readonly improved: boolean | undefined;
}

/** The delta of one column, or undefined when either value is no number or both are equal. */
export function deltaOf(row: Row, column: number, baseline: number): Delta | undefined {
  const value = row.values[column];
  const base = row.values[baseline];
  if (!isNumber(value) || !isNumber(base) || value === base) return undefined;
  const difference = value - base;
  return {
    difference,
    ratio: base === 0 ? undefined : difference / Math.abs(base),
    improved: row.better === undefined ? undefined : difference > 0 === (row.better === 'higher'),
  };
}

/**
 * Columns ordered by a row's values, best first (highest first where the direction is unknown); text by name.
 * Columns without a value come last either way. Equal ones keep their order.
 */
export function orderColumns(row: Row, columns: readonly number[], reversed = false): number[] {
  const sign = (row.better === 'lower' ? 1 : -1) * (reversed ? -1 : 1);
  const missing = (value: Value | null | undefined) =>
    value === null || value === undefined || Number.isNaN(value);
  return [...columns].sort((a, b) => {
    const x = row.values[a];
    const y = row.values[b];
    if (missing(x) || missing(y)) return Number(missing(x)) - Number(missing(y));
    if (typeof x === 'number' && typeof y === 'number') return sign * (x - y);
    return -sign * naturalOrder(String(x), String(y));
  });
}

/** Orders names as people do: `v2` before `v10`. */
export function naturalOrder(a: string, b: string): number {
  const [x, y] = [a, b].map((name) => name.split(/(\d+)/));
  for (let i = 0; i < Math.max(x!.length, y!.length); i++) {
    const p = x![i] ?? '';
    const q = y![i] ?? '';
    if (p === q) continue;
    const byNumber = i % 2 === 1 ? Number(p) - Number(q) : 0;
    if (byNumber !== 0) return byNumber;
    return p < q ? -1 : 1;
  }
  return 0;
}

/** Whether two columns have the same values, unreadable files and, unless told otherwise, data. */
export function sameColumns(table: Table, a: number, b: number, options = { data: true }): boolean {
  const digests = (column: number) => JSON.stringify(Object.entries(table.revs[column]!.dataDigests).sort());
  const problems = (column: number) =>
    JSON.stringify(
      table.problems
        .filter(({ revision }) => revision === table.revs[column]!.name)
        .map(({ file, message }) => [file, message]),
    );
  return (
    table.rows.every((row) => Object.is(row.values[a], row.values[b])) &&
    problems(a) === problems(b) &&
    (!options.data || digests(a) === digests(b))
  );
}
