import { DvError } from '../../core/errors.ts';
import { type DiffResult, diff, type PathDiff } from '../../core/ops/diff.ts';
import { defineCommand } from '../command.ts';
import { describeChanges, describePointer } from '../report/words.ts';
import { selectPaths } from '../tracked-paths.ts';

/** Counts of one tracked path's differences; a rename is a deletion and an addition of the same bytes. */
function summary(path: PathDiff): string {
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

function fileLines(path: PathDiff): string[] {
  return [
    ...path.added.map((file) => [file, `added     ${file}`] as const),
    ...path.deleted.map((file) => [file, `deleted   ${file}`] as const),
    ...path.modified.map((file) => [file, `modified  ${file}`] as const),
    ...path.renamed.map(({ from, to }) => [from, `renamed   ${from} → ${to}`] as const),
  ]
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([, line]) => line);
}

function render(result: DiffResult, options: { stat: boolean; 'name-only': boolean }): string {
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
      ...(options.stat ? [] : fileLines(path).map((line) => `  ${line}`)),
    ])
    .join('\n');
}

export const command = defineCommand<{
  revisions: string[];
  stat: boolean;
  'name-only': boolean;
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
      .option('name-only', { describe: 'file names only', type: 'boolean', default: false }),
  async run(options, context) {
    const repo = context.repo();
    if (options.revisions.length > 2)
      throw new DvError('usage', {
        message: 'dv diff takes at most two revisions',
        hint: 'paths go behind --',
      });
    const [from, to] = options.revisions;
    const paths = options['--'] ?? [];
    const result = await diff(repo, {
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      ...selectPaths(repo, context.cwd, paths),
      report: context.report,
      signal: context.signal,
    });
    return { value: result, text: render(result, options) };
  },
});
