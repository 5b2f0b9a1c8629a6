import { commit } from '../../core/ops/commit.ts';
import { defineCommand } from '../command.ts';
import { addedLines } from '../report/added-words.ts';
import { pathLines } from '../report/words.ts';
import { selectPaths, trackedPaths } from '../tracked-paths.ts';

export const command = defineCommand<{ paths: string[] }>({
  usage: 'commit [paths..]',
  summary: 'put the bytes of tracked paths into the cache, after dv add --no-commit',
  examples: [
    ['dv commit', 'all tracked paths; pointers follow files that changed since'],
    ['dv commit data/train', 'one of them'],
  ],
  exits: [3, 10, 11, 12],
  options: (yargs) => yargs.positional('paths', trackedPaths),
  async run({ paths }, context) {
    const repo = context.repo();
    const result = await commit(repo, {
      ...selectPaths(repo, context.cwd, paths),
      report: context.report,
      signal: context.signal,
    });
    const lines = [
      ...addedLines(result),
      ...pathLines('neither in the workspace nor in the cache:', result.missing),
      ...(result.missing.length > 0 ? ['dv pull fetches what was pushed'] : []),
    ];
    return {
      value: result,
      text: lines.length > 0 ? lines.join('\n') : 'dv tracks nothing here yet; dv add <path> starts',
      exit: result.missing.length > 0 ? 12 : result.failures.length > 0 ? 3 : 0,
    };
  },
});
