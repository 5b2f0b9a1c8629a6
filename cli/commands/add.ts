import { add } from '../../core/ops/add.ts';
import { toRepoPath } from '../../core/store/repo.ts';
import { defineCommand } from '../command.ts';
import { addedLines } from '../report/added-words.ts';

export const command = defineCommand<{ paths: string[]; 'no-commit': boolean }>({
  usage: 'add <paths..>',
  summary: 'track files and folders, or record their new content',
  examples: [
    ['dv add data/train', 'tracks a folder: git keeps data/train.dv, dv keeps the bytes'],
    ['dv add data/train data/test.csv', 'records several'],
    ['dv add data/huge --no-commit', 'writes the pointer now; dv commit copies the bytes later'],
  ],
  exits: [3, 10, 11],
  options: (yargs) =>
    yargs
      .positional('paths', {
        describe: 'files or folders',
        type: 'string',
        array: true,
        demandOption: true,
      })
      .option('no-commit', {
        describe: 'only write the pointer; dv commit puts the bytes into the cache',
        type: 'boolean',
        default: false,
      }),
  async run({ paths, 'no-commit': noCommit }, context) {
    const repo = context.repo();
    const result = await add(
      repo,
      paths.map((path) => toRepoPath(repo, context.cwd, path)),
      { store: !noCommit, report: context.report, signal: context.signal },
    );
    const lines = addedLines(result);
    if (noCommit && result.added.length > 0)
      lines.push('the bytes are only in the workspace: dv commit puts them into the cache');
    return {
      value: result,
      text: lines.join('\n'),
      ...(result.failures.length > 0 ? { exit: 3 } : {}),
    };
  },
});
