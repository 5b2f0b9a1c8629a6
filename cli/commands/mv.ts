import { DvError } from '../../core/errors.ts';
import { mv } from '../../core/ops/mv.ts';
import { toRepoPath } from '../../core/store/repo.ts';
import { defineCommand } from '../command.ts';
import { mentionLines, pathLines } from '../report/words.ts';
import { selectPaths } from '../tracked-paths.ts';

export const command = defineCommand<{ paths: string[] }>({
  usage: 'mv <paths..>',
  summary: 'give tracked paths another name: data, pointer and ignore lines together',
  examples: [
    ['dv mv data/train data/train-v1', 'another name'],
    ['dv mv data/train data/val old', 'into the folder old, which exists'],
  ],
  exits: [4, 10, 11],
  options: (yargs) =>
    yargs.positional('paths', {
      describe: 'the tracked paths, and last their new name or the folder they go into',
      type: 'string',
      array: true,
      demandOption: true,
    }),
  async run({ paths }, context) {
    if (paths.length < 2) {
      throw new DvError('usage', {
        message: `where is ${paths[0]} to go?`,
        hint: `dv mv ${paths[0]} <new name or folder>`,
      });
    }
    const repo = context.repo();
    const sources = paths.slice(0, -1).map((path) => toRepoPath(repo, context.cwd, path));
    const destination = selectPaths(repo, context.cwd, paths.slice(-1)).paths?.[0] ?? '';
    const result = await mv(repo, sources, destination, { signal: context.signal });
    return {
      value: result,
      text: [
        ...result.moved.map(({ from, to }) => `moved  ${from} → ${to}`),
        ...mentionLines(result.mentions),
        ...pathLines('changed at the old path since the move began, and kept there:', result.kept),
      ].join('\n'),
      ...(result.kept.length > 0 ? { exit: 4 } : {}),
    };
  },
});
