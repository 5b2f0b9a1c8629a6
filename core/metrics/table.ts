/** The table of a comparison, and how revisions' values become one. Pure; its JSON is in docs/json.md. */
import { comparePaths } from '../model/repo-path.ts';
import { type Better, betterOf } from './direction.ts';
import type { Value } from './values.ts';

/** One column: a revision. */
export interface Revision {
  /** As the user named it; a branch's name; or `workspace`. */
  readonly name: string;
  /** Full id; null for the workspace. */
  readonly commit: string | null;
  /** ISO 8601, UTC; null for the workspace. */
  readonly date: string | null;
  /** First line of the commit message; null for the workspace. */
  readonly subject: string | null;
  /** What each tracked path is: path → digest. */
  readonly dataDigests: Readonly<Record<string, string>>;
  /** How many files each tracked path holds. */
  readonly dataFiles: Readonly<Record<string, number>>;
}

/** One metric or parameter over all revisions. */
export interface Row {
  /** The file it is read from. */
  readonly file: string;
  /** Dotted key in the file. */
  readonly key: string;
  /** Which way it improves, where its name says. */
  readonly better?: 'higher' | 'lower';
  /** One per revision; null where it has none. */
  readonly values: readonly (Value | null)[];
}

/** Something that could not be read; the rest of the table stands. */
export interface Problem {
  readonly revision: string;
  readonly file: string;
  readonly message: string;
}

/** Revisions as columns, the baseline first. */
export interface Table {
  readonly revs: readonly Revision[];
  readonly rows: readonly Row[];
  readonly problems: readonly Problem[];
}

/** What one revision has: per file, its values by key in the file's order. */
export interface RevisionValues {
  readonly revision: Revision;
  readonly files: ReadonlyMap<string, ReadonlyMap<string, Value>>;
}

/**
 * Puts lists that mostly agree in one order: a name goes behind the one it stands behind where it is first met,
 * so that a class only one revision has stays among the other classes.
 */
export function mergeOrders(lists: Iterable<Iterable<string>>): string[] {
  const order: string[] = [];
  const known = new Set<string>();
  for (const list of lists) {
    let before: string | undefined;
    for (const name of list) {
      if (!known.has(name)) {
        known.add(name);
        if (before === undefined && order.length > 0) order.unshift(name);
        else order.splice(before === undefined ? 0 : order.indexOf(before) + 1, 0, name);
      }
      before = name;
    }
  }
  return order;
}

/** Builds the table: files by path, keys in the files' order, directions from names when `metrics`. */
export function buildTable(
  columns: readonly RevisionValues[],
  problems: readonly Problem[] = [],
  kind: 'metrics' | 'params' = 'metrics',
): Table {
  const files = [...new Set(columns.flatMap((column) => [...column.files.keys()]))].sort(comparePaths);
  const rows: Row[] = [];
  for (const file of files) {
    const values = columns.map((column) => column.files.get(file));
    const keys = mergeOrders(values.map((ofFile) => ofFile?.keys() ?? []));
    for (const key of keys) {
      const better: Better = kind === 'metrics' ? betterOf(key) : undefined;
      rows.push({
        file,
        key,
        ...(better === undefined ? {} : { better }),
        values: values.map((ofFile) => ofFile?.get(key) ?? null),
      });
    }
  }
  // One commit may stand in two columns of one name.
  const unique = new Map(problems.map((problem) => [JSON.stringify(problem), problem]));
  return { revs: columns.map((column) => column.revision), rows, problems: [...unique.values()] };
}

/** The table with only some columns, in the order given; rows no column has a value for are dropped. */
export function pickColumns(table: Table, columns: readonly number[]): Table {
  const names = new Set(columns.map((column) => table.revs[column]!.name));
  return {
    revs: columns.map((column) => table.revs[column]!),
    rows: table.rows
      .map((row) => ({ ...row, values: columns.map((column) => row.values[column]!) }))
      .filter((row) => row.values.some((value) => value !== null)),
    problems: table.problems.filter((problem) => names.has(problem.revision)),
  };
}

/** Every tracked path any revision has, sorted. */
export function dataPaths(table: Table): string[] {
  return [...new Set(table.revs.flatMap((revision) => Object.keys(revision.dataDigests)))].sort(comparePaths);
}
