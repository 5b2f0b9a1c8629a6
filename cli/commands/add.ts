import { add } from '../../core/ops/add.ts';
import { toRepoPath } from '../../core/store/repo.ts';
import { defineCommand } from '../command.ts';
import { describePointer, failureLines } from '../report/words.ts';

export const command = defineCommand<{ paths: string[] }>({
  usage: 'add <paths..>',
  summary: 'track files and folders, or record their new content',
  examples: [
    ['dv add data/train', 'tracks a folder: git keeps data/train.dv, dv keeps the bytes'],
    ['dv add data/train data/test.csv', 'records several'],
  ],
  exits: [3, 10, 11],
  options: (yargs) =>
    yargs.positional('paths', {
      describe: 'files or folders',
      type: 'string',
      array: true,
      demandOption: true,
    }),
  async run({ paths }, context) {
    const repo = context.repo();
    const result = await add(
      repo,
      paths.map((path) => toRepoPath(repo, context.cwd, path)),
      context,
    );
    const lines = result.added.map(
      ({ path, pointer, changed }) =>
        `${changed ? 'recorded' : 'unchanged'}  ${path}  (${describePointer(pointer)})`,
    );
    return {
      value: result,
      text: [...lines, ...failureLines('could not be read', result.failures)].join('\n'),
      ...(result.failures.length > 0 ? { exit: 3 } : {}),
    };
  },
});
