import { verify } from '../../core/ops/verify.ts';
import { defineCommand } from '../command.ts';
import { allRemotes } from '../remotes.ts';
import { verifyExit, verifyLines } from '../report/verify-words.ts';
import { selectPaths, trackedPaths } from '../tracked-paths.ts';

export const command = defineCommand<{ paths: string[]; all: boolean; repair: boolean }>({
  usage: 'verify [paths..]',
  summary: 'read cached data again, name what is damaged or missing, and heal it',
  examples: [
    ['dv verify', 'reads everything the workspace’s pointers stand for'],
    ['dv verify --all', 'reads the whole cache, other revisions’ data too'],
    ['dv verify --repair data/train', 'heals what is bad from the workspace or a remote'],
  ],
  exits: [3, 10, 12, 13, 14],
  options: (yargs) =>
    yargs
      .positional('paths', trackedPaths)
      .option('all', { describe: 'every object of the cache', type: 'boolean', default: false })
      .option('repair', {
        describe: 'replace what is bad by whole bytes, from the workspace or a remote',
        type: 'boolean',
        default: false,
      }),
  async run({ paths, all, repair }, context) {
    const repo = context.repo();
    const result = await verify(repo, {
      ...selectPaths(repo, context.cwd, paths),
      all,
      repair,
      remotes: allRemotes(context),
      report: context.report,
      signal: context.signal,
    });
    return { value: result, text: verifyLines(result, repair).join('\n'), exit: verifyExit(result) };
  },
});
