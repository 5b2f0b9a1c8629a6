import { pull } from '../../core/ops/pull.ts';
import { defineCommand } from '../command.ts';
import { checkoutExit, checkoutLines } from '../report/checkout-words.ts';
import { fetchExit, fetchLines } from '../report/fetch-words.ts';
import { selectPaths, trackedPaths } from '../tracked-paths.ts';

export const command = defineCommand<{ paths: string[]; remote: string | undefined; force: boolean }>({
  usage: 'pull [paths..]',
  summary: 'fetch, then make the workspace what the pointers say',
  examples: [
    ['dv pull', 'after a git clone or git pull: brings the data'],
    ['dv pull data/val', 'only one path'],
  ],
  exits: [3, 4, 10, 11, 12, 13, 14],
  options: (yargs) =>
    yargs
      .positional('paths', trackedPaths)
      .option('remote', { describe: 'which remote, if not the default', type: 'string', requiresArg: true })
      .option('force', {
        describe: 'replace local changes, saving them first',
        type: 'boolean',
        default: false,
      }),
  async run({ paths, remote: name, force }, context) {
    const repo = context.repo();
    const remote = await context.openRemote(name);
    try {
      const result = await pull(repo, remote, {
        ...selectPaths(repo, context.cwd, paths),
        force,
        report: context.report,
        signal: context.signal,
      });
      return {
        value: result,
        text: [...fetchLines(result.fetched), ...checkoutLines(result.checkedOut)].join('\n'),
        exit: fetchExit(result.fetched) || checkoutExit(result.checkedOut),
      };
    } finally {
      await remote.close();
    }
  },
});
