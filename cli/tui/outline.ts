/** The rows of the view: files as sections, alike keys as groups that fold, and what of them is visible. Pure. */
import { differs } from '../../core/metrics/compare.ts';
import { dataPaths, type Table } from '../../core/metrics/table.ts';
import { cleanLine } from '../report/clean-line.ts';
import { dataDiffers } from '../report/metrics-table.ts';

/** One row on the screen; its text is cleaned. */
export type ViewRow =
  /** A file, or the tracked data. */
  | { readonly kind: 'section'; readonly id: string; readonly label: string; readonly count: number }
  /** Rows of one file with alike keys, e.g. the F1 of every class. `rows` are indexes into the table. */
  | {
      readonly kind: 'group';
      readonly id: string;
      readonly label: string;
      readonly rows: readonly number[];
    }
  | { readonly kind: 'data'; readonly label: string; readonly path: string; readonly within: string }
  /** A metric or parameter; `row` is its index in the table, `within` the id of what folds it. */
  | {
      readonly kind: 'value';
      readonly label: string;
      readonly row: number;
      readonly within: string;
      /** Whether `within` is a group rather than a section. */
      readonly grouped: boolean;
    };

/** A value in its section, and its group if it has one. */
interface Item {
  readonly row: number;
  readonly label: string;
}
interface Group {
  readonly label: string;
  readonly items: readonly Item[];
}
interface Section {
  readonly id: string;
  readonly label: string;
  readonly paths: readonly string[];
  readonly parts: readonly (Item | Group)[];
}

/** The rows of a table, arranged once. */
export type Outline = readonly Section[];

/** What decides which rows are visible. */
export interface RowFilter {
  /** Rows whose file or key has this in it; `|` separates alternatives; upper and lower case are the same. */
  readonly filter: string;
  /** Only rows that are not equal in all revisions. */
  readonly changedOnly: boolean;
  /** Ids of sections and groups that are folded; a filter looks into them all the same. */
  readonly folded: ReadonlySet<string>;
}

/** Fewer alike keys than this stay rows of their own. */
const smallestGroup = 4;

/**
 * Groups keys that differ in one place: `classes.cat.f1`, `classes.dog.f1`, … become `classes f1`, and
 * `f1.cat`, `f1.dog`, … become `f1`. A group stands where its first key stood.
 * @returns groups and lone keys, as indexes into `keys`.
 */
export function groupKeys(keys: readonly string[]): ({ label: string; members: number[] } | number)[] {
  const nameOf = (key: string) => {
    const parts = key.split('.');
    if (parts.length < 2) return undefined;
    return parts.length === 2 ? `${parts[0]}` : `${parts[0]} ${parts.at(-1)}`;
  };
  const alike = new Map<string, number[]>();
  for (const [i, key] of keys.entries()) {
    const name = nameOf(key);
    if (name === undefined) continue;
    const members = alike.get(name);
    if (members === undefined) alike.set(name, [i]);
    else members.push(i);
  }
  return keys.flatMap((key, i): ({ label: string; members: number[] } | number)[] => {
    const name = nameOf(key);
    const members = name === undefined ? undefined : alike.get(name);
    if (name === undefined || members === undefined || members.length < smallestGroup) return [i];
    return members[0] === i ? [{ label: name, members }] : [];
  });
}

/** What is left of a key in its group: `classes.cat.f1` → `cat`. */
function memberLabel(key: string): string {
  const parts = key.split('.');
  return parts.length === 2 ? parts[1]! : parts.slice(1, -1).join('.');
}

/** Arranges a table's rows. */
export function outlineOf(table: Table): Outline {
  const sections: Section[] = [];
  const paths = dataPaths(table);
  if (paths.length > 0) sections.push({ id: 'data', label: 'data', paths, parts: [] });
  const files = [...new Set(table.rows.map((row) => row.file))];
  for (const file of files) {
    const rows = table.rows.flatMap((row, i) => (row.file === file ? [i] : []));
    const parts = groupKeys(rows.map((row) => table.rows[row]!.key)).map((part): Item | Group => {
      const item = (i: number, label: (key: string) => string): Item => ({
        row: rows[i]!,
        label: cleanLine(label(table.rows[rows[i]!]!.key)),
      });
      if (typeof part === 'number') return item(part, (key) => key);
      return { label: cleanLine(part.label), items: part.members.map((i) => item(i, memberLabel)) };
    });
    sections.push({ id: `file ${file}`, label: cleanLine(file), paths: [], parts });
  }
  return sections;
}

/** Ids of all groups. */
export function groupIds(outline: Outline): string[] {
  return outline.flatMap(({ id, parts }) =>
    parts.flatMap((part) => ('items' in part ? [`${id} ${part.label}`] : [])),
  );
}

/** The rows to show, top to bottom. Sections and groups nothing is left of are not shown. */
export function visibleRows(outline: Outline, table: Table, options: RowFilter): ViewRow[] {
  const { changedOnly, folded } = options;
  const wanted = options.filter
    .toLowerCase()
    .split('|')
    .filter((part) => part !== '');
  const matches = (...texts: string[]) =>
    wanted.length === 0 || wanted.some((part) => texts.some((text) => text.toLowerCase().includes(part)));
  const isFolded = (id: string) => wanted.length === 0 && folded.has(id);
  const visible: ViewRow[] = [];
  for (const section of outline) {
    const shows = ({ row }: Item) => {
      const { key, values } = table.rows[row]!;
      return (!changedOnly || differs(values)) && matches(section.label, cleanLine(key));
    };
    const rows: ViewRow[] = [];
    let count = 0;
    for (const path of section.paths) {
      if (changedOnly && !dataDiffers(table, path)) continue;
      const label = cleanLine(path);
      if (!matches(section.label, label)) continue;
      count++;
      rows.push({ kind: 'data', label, path, within: section.id });
    }
    for (const part of section.parts) {
      if (!('items' in part)) {
        if (!shows(part)) continue;
        count++;
        rows.push({ kind: 'value', label: part.label, row: part.row, within: section.id, grouped: false });
        continue;
      }
      const items = part.items.filter(shows);
      if (items.length === 0) continue;
      count += items.length;
      const id = `${section.id} ${part.label}`;
      rows.push({ kind: 'group', id, label: part.label, rows: items.map(({ row }) => row) });
      if (isFolded(id)) continue;
      for (const item of items) {
        rows.push({ kind: 'value', label: item.label, row: item.row, within: id, grouped: true });
      }
    }
    if (count === 0) continue;
    visible.push({ kind: 'section', id: section.id, label: section.label, count });
    if (!isFolded(section.id)) visible.push(...rows);
  }
  return visible;
}
