import { fetch } from '../../core/ops/fetch.ts';
import { defineCommand } from '../command.ts';
import { fetchExit, fetchLines } from '../report/fetch-words.ts';
import { selectPaths, trackedPaths } from '../tracked-paths.ts';

export const command = defineCommand<{
  paths: string[];
  remote: string | undefined;
  rev: string[];
  all: boolean;
  'dry-run': boolean;
}>({
  usage: 'fetch [paths..]',
  summary: 'bring data from the remote into the cache',
  examples: [
    ['dv fetch', 'fetches what the workspace points at'],
    ['dv fetch data/val --rev data/v1', 'fetches one path of a branch'],
    ["dv fetch 'data/train/*/cats'", 'a part of tracked folders; quotes keep the pattern from the shell'],
    ['dv fetch --all', 'fetches the data of all branches and tags, so that any can be checked out offline'],
  ],
  exits: [3, 10, 12, 13, 14],
  options: (yargs) =>
    yargs
      .positional('paths', trackedPaths)
      .option('remote', { describe: 'which remote, if not the default', type: 'string', requiresArg: true })
      .option('rev', {
        describe: 'a revision whose data to fetch; may be repeated',
        type: 'string',
        array: true,
        nargs: 1,
        default: [],
      })
      .option('all', { describe: 'the data of all branches and tags', type: 'boolean', default: false })
      .option('dry-run', { describe: 'only say what would be fetched', type: 'boolean', default: false }),
  async run({ paths, remote: name, rev, all, 'dry-run': dryRun }, context) {
    const repo = context.repo();
    const remote = await context.openRemote(name);
    try {
      const result = await fetch(repo, remote, {
        ...(rev.length > 0 || all ? { select: { workspace: false, revisions: rev, all } } : {}),
        ...selectPaths(repo, context.cwd, paths),
        dryRun,
        report: context.report,
        signal: context.signal,
      });
      return { value: result, text: fetchLines(result, { dryRun }).join('\n'), exit: fetchExit(result) };
    } finally {
      await remote.close();
    }
  },
});
