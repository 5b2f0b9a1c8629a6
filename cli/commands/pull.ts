import { pull } from '../../core/ops/pull.ts';
import { defineCommand } from '../command.ts';
import { pullExit, pullLines } from '../report/fetch-words.ts';
import { isAtTop, selectPaths, trackedPaths } from '../tracked-paths.ts';

export const command = defineCommand<{
  paths: string[];
  remote: string | undefined;
  rev: string[];
  all: boolean;
  force: boolean;
  'dry-run': boolean;
}>({
  usage: 'pull [paths..]',
  summary: 'fetch, then make the workspace what the pointers say',
  examples: [
    ['dv pull', 'after a git clone or git pull: brings the data'],
    ['dv pull data/val', 'only one path'],
    ["dv pull 'data/*-small'", 'only what matches; quotes keep the pattern from the shell'],
    ['dv pull --all', 'brings the data of every branch and tag into the cache, too'],
  ],
  exits: [3, 4, 10, 11, 12, 13, 14],
  options: (yargs) =>
    yargs
      .positional('paths', trackedPaths)
      .option('remote', { describe: 'which remote, if not the default', type: 'string', requiresArg: true })
      .option('rev', {
        describe: 'a revision whose data to fetch, too; may be repeated',
        type: 'string',
        array: true,
        nargs: 1,
        default: [],
      })
      .option('all', {
        describe: 'fetch the data of all branches and tags, too',
        type: 'boolean',
        default: false,
      })
      .option('dry-run', { describe: 'only say what would be fetched', type: 'boolean', default: false })
      .option('force', {
        describe: 'replace local changes, saving them first',
        type: 'boolean',
        default: false,
      }),
  async run({ paths, remote: name, rev, all, force, 'dry-run': dryRun }, context) {
    const repo = context.repo();
    const remote = await context.openRemote(name);
    try {
      const result = await pull(repo, remote, {
        ...selectPaths(repo, context.cwd, paths),
        ...(rev.length > 0 || all ? { select: { revisions: rev, all } } : {}),
        force,
        dryRun,
        report: context.report,
        signal: context.signal,
      });
      return {
        value: { fetched: result.fetched, checkedOut: result.checkedOut ?? null },
        text: pullLines(result, { atTop: isAtTop(repo, context.cwd), force }).join('\n'),
        exit: pullExit(result),
      };
    } finally {
      await remote.close();
    }
  },
});
