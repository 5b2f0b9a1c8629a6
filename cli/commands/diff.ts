import { DvError } from '../../core/errors.ts';
import { type DataDiff, type DiffResult, diff } from '../../core/ops/diff.ts';
import type { ClassCounts } from '../../core/ops/path-diff.ts';
import { defineCommand } from '../command.ts';
import { loadMeasure, type Measure, toWidth } from '../report/width.ts';
import { describeChanges, describePointer, formatCount } from '../report/words.ts';
import { selectPaths } from '../tracked-paths.ts';

/** Counts of one tracked path's differences; a rename is a deletion and an addition of the same bytes. */
function summary(path: DataDiff): string {
  if (path.truncated) {
    const sides = [path.before, path.after].map((pointer) =>
      pointer ? describePointer(pointer) : 'nothing',
    );
    return `${sides.join(' → ')}; the listing is not in the cache, dv pull fetches it`;
  }
  const counts = describeChanges({
    added: path.added.length,
    deleted: path.deleted.length,
    modified: path.modified.length,
  });
  const renamed = path.renamed.length > 0 ? `→${path.renamed.length}` : '';
  return [counts, renamed].filter((part) => part !== '').join(' ');
}

function fileLines(path: DataDiff): string[] {
  return [
    ...path.added.map((file) => [file, `added     ${file}`] as const),
    ...path.deleted.map((file) => [file, `deleted   ${file}`] as const),
    ...path.modified.map((file) => [file, `modified  ${file}`] as const),
    ...path.renamed.map(({ from, to }) => [from, `renamed   ${from} → ${to}`] as const),
  ]
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([, line]) => line);
}

/** A table is shown unasked when it is worth its lines: for so many classes. */
const [fewestClasses, mostClasses] = [2, 50];

/** A line per class: its name, files before and after, and what changed. */
function classLines(classes: readonly ClassCounts[], measure: Measure): string[] {
  const rows = classes.map(
    (each) => [each.name, formatCount(each.before), formatCount(each.after), describeChanges(each)] as const,
  );
  const all: (readonly [string, string, string, string])[] = [['class', 'before', 'after', ''], ...rows];
  const width = (column: number) => Math.max(...all.map((row) => measure(row[column]!)));
  return all.map(([name, before, after, changes]) =>
    [
      toWidth(name, width(0), measure),
      toWidth(before, width(1), measure, 'right'),
      toWidth(after, width(2), measure, 'right'),
      changes,
    ]
      .join('  ')
      .trimEnd(),
  );
}

interface Look {
  readonly stat: boolean;
  readonly 'name-only': boolean;
  /** Whether the table of classes is shown: always, never, or when it is worth its lines. */
  readonly table: boolean | undefined;
  readonly measure: Measure;
}

function showsClasses({ classes }: DataDiff, table: boolean | undefined): boolean {
  if (table !== undefined) return table && classes.length > 0;
  return classes.length >= fewestClasses && classes.length <= mostClasses;
}

function render(result: DiffResult, options: Look): string {
  if (options['name-only']) {
    return result.paths
      .flatMap((path) => [
        ...path.added,
        ...path.deleted,
        ...path.modified,
        ...path.renamed.flatMap(({ from, to }) => [from, to]),
      ])
      .sort()
      .join('\n');
  }
  if (result.paths.length === 0) return `no difference between ${result.from} and ${result.to}`;
  return result.paths
    .flatMap((path) => [
      `${path.path}  ${summary(path)}`,
      ...(showsClasses(path, options.table)
        ? classLines(path.classes, options.measure).map((line) => `  ${line}`)
        : []),
      ...(options.stat ? [] : fileLines(path).map((line) => `  ${line}`)),
    ])
    .join('\n');
}

export const command = defineCommand<{
  revisions: string[];
  stat: boolean;
  'name-only': boolean;
  classes: boolean;
  'no-classes': boolean;
  '--'?: string[];
}>({
  usage: 'diff [revisions..] [-- paths..]',
  summary: 'which files of tracked data differ between two revisions, or a revision and the workspace',
  examples: [
    ['dv diff', 'what dv add would record'],
    ['dv diff HEAD', 'the workspace against the last commit'],
    ['dv diff data/v1 data/v2 --stat -- data/train', 'two branches, counts only, one path'],
  ],
  exits: [10],
  options: (yargs) =>
    yargs
      .positional('revisions', {
        describe: 'none, one or two; paths go behind --',
        type: 'string',
        array: true,
        default: [],
      })
      .option('stat', { describe: 'counts only', type: 'boolean', default: false })
      .option('name-only', { describe: 'file names only', type: 'boolean', default: false })
      .option('classes', {
        describe: `files per class (folder below the tracked path), also of fewer than ${fewestClasses} or more than ${mostClasses} classes`,
        type: 'boolean',
        default: false,
      })
      .option('no-classes', { describe: 'no files per class', type: 'boolean', default: false }),
  async run(options, context) {
    const repo = context.repo();
    if (options.revisions.length > 2)
      throw new DvError('usage', {
        message: 'dv diff takes at most two revisions',
        hint: 'paths go behind --',
      });
    if (options.classes && options['no-classes'])
      throw new DvError('usage', { message: 'diff: --classes and --no-classes exclude each other' });
    const [from, to] = options.revisions;
    const paths = options['--'] ?? [];
    const result = await diff(repo, {
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      ...selectPaths(repo, context.cwd, paths),
      report: context.report,
      signal: context.signal,
    });
    const table = options['no-classes'] ? false : options.classes ? true : undefined;
    const names = result.paths.flatMap(({ classes }) => classes.map(({ name }) => name));
    const measure = await loadMeasure(names);
    return { value: result, text: render(result, { ...options, table, measure }) };
  },
});
