import { DvError } from '../../core/errors.ts';
import { type LoggedCommit, type LoggedPath, log } from '../../core/ops/log.ts';
import { defineCommand } from '../command.ts';
import { formatWhen } from '../report/when.ts';
import { countOf, describeChanges, describePointer, formatBytes, formatCount } from '../report/words.ts';
import { selectPaths } from '../tracked-paths.ts';

const filesOf = (pointer: LoggedPath['before']) =>
  pointer === undefined ? 0 : pointer.kind === 'tree' ? pointer.files : 1;

/** What became of one path: `+12 −3  2,880 → 2,889 files  31.4 MB → 31.5 MB`. */
function changeOf({ before, after, files, renamedFrom }: LoggedPath): string {
  if (renamedFrom !== undefined) return `renamed from ${renamedFrom}`;
  if (before === undefined) return `new  ${describePointer(after!)}`;
  if (after === undefined) return `removed  ${describePointer(before)}`;
  const parts = [
    files === undefined ? 'changed' : describeChanges(files),
    files !== undefined && files.renamed > 0 ? `→${formatCount(files.renamed)}` : '',
  ];
  const counts = [filesOf(before), filesOf(after)] as const;
  const count =
    counts[0] === counts[1]
      ? countOf(counts[0], 'file')
      : `${formatCount(counts[0])} → ${countOf(counts[1], 'file')}`;
  const bytes =
    before.bytes === after.bytes
      ? formatBytes(after.bytes)
      : `${formatBytes(before.bytes)} → ${formatBytes(after.bytes)}`;
  return [parts.filter((part) => part !== '').join(' '), count, bytes].join('  ');
}

function commitLines({ commit, date, author, subject, paths, problems }: LoggedCommit): string[] {
  const width = Math.max(...paths.map(({ path }) => path.length), 0);
  return [
    `${commit.slice(0, 9)}  ${formatWhen(date)}  ${author}  ${subject}`,
    ...paths.map((path) => `  ${path.path.padEnd(Math.min(width, 40))}  ${changeOf(path)}`),
    ...problems.map((problem) => `  could not be read: ${problem}`),
  ];
}

export const command = defineCommand<{
  revision: string | undefined;
  number: number | undefined;
  '--'?: string[];
}>({
  usage: 'log [revision] [-- paths..]',
  summary: 'the commits that changed data, and what they changed of it',
  examples: [
    ['dv log', 'every commit of this branch that changed data; a merge counts as one step'],
    ['dv log -n 5 data/v2', 'the last five of a branch'],
    ['dv log -- data/train/cats', 'only those that changed this subfolder'],
  ],
  exits: [10],
  options: (yargs) =>
    yargs
      .positional('revision', {
        describe: 'where to start; HEAD by default. Paths go behind --',
        type: 'string',
      })
      .option('number', {
        alias: 'n',
        describe: 'at most this many commits',
        type: 'number',
        requiresArg: true,
      }),
  async run({ revision, number, '--': typed = [] }, context) {
    if (number !== undefined && !(Number.isSafeInteger(number) && number >= 0))
      throw new DvError('usage', { message: 'log: -n takes a whole number', hint: 'dv log -n 10' });
    const repo = context.repo();
    const result = await log(repo, {
      ...(revision === undefined ? {} : { revision }),
      ...(number === undefined ? {} : { limit: number }),
      ...selectPaths(repo, context.cwd, typed),
      signal: context.signal,
    });
    const text =
      result.commits.length > 0
        ? result.commits.map((commit) => commitLines(commit).join('\n')).join('\n\n')
        : `no commit ${revision === undefined ? 'here' : `of ${revision}`} changed data${typed.length > 0 ? ' there' : ''}`;
    return { value: result, text };
  },
});
