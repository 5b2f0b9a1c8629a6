import { realpathSync } from 'node:fs';
import { relative, sep } from 'node:path';
import type { RepoPath } from '../../core/model/repo-path.ts';
import { restoreCommand } from '../../core/model/shell.ts';
import { rm } from '../../core/ops/rm.ts';
import { toRepoPath } from '../../core/store/repo.ts';
import { defineCommand } from '../command.ts';
import { describePointer, mentionLines } from '../report/words.ts';
import { isAtTop } from '../tracked-paths.ts';

export const command = defineCommand<{ paths: string[]; cached: boolean; force: boolean }>({
  usage: 'rm <paths..>',
  summary: 'stop tracking paths, and remove their data from the workspace',
  examples: [
    ['dv rm data/old', 'removes the pointer and the files; older commits still have them'],
    ['dv rm --cached data/old', 'only stops tracking: the files stay, and git sees them'],
  ],
  exits: [3, 4, 10, 11],
  options: (yargs) =>
    yargs
      .positional('paths', { describe: 'tracked paths', type: 'string', array: true, demandOption: true })
      .option('cached', { describe: 'keep the files', type: 'boolean', default: false })
      .option('force', {
        describe: 'remove changes nobody recorded too, saving them first',
        type: 'boolean',
        default: false,
      }),
  async run({ paths, cached, force }, context) {
    const repo = context.repo();
    const standing = relative(repo.root, realpathSync(context.cwd)).split(sep).join('/');
    const result = await rm(
      repo,
      paths.map((path) => toRepoPath(repo, context.cwd, path)),
      { cached, force, standing: standing as RepoPath, report: context.report, signal: context.signal },
    );
    const lines = result.removed.map(({ path, removed }) =>
      cached
        ? `no longer tracked  ${path}; its files stay`
        : `removed  ${path}${removed === undefined ? '' : `  (${describePointer(removed)})`}`,
    );
    const saved = result.removed.flatMap(({ path, saved }) => (saved === undefined ? [] : [{ path, saved }]));
    if (saved.length > 0) {
      lines.push(
        'no commit records what was there; it is in the cache:',
        ...saved.map(
          ({ path, saved }) => `  ${restoreCommand({ path, digest: saved }, isAtTop(repo, context.cwd))}`,
        ),
      );
    }
    return { value: result, text: [...lines, ...mentionLines(result.mentions)].join('\n') };
  },
});
