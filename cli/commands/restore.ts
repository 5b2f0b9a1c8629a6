import { relative, resolve } from 'node:path';
import { DvError } from '../../core/errors.ts';
import { shellWord } from '../../core/model/shell.ts';
import { describeObject, type ObjectKind, restore, restoreObject } from '../../core/ops/restore.ts';
import { toRepoPath } from '../../core/store/repo.ts';
import { type CommandResult, defineCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { checkoutExit, checkoutLines } from '../report/checkout-words.ts';
import { countOf, formatBytes } from '../report/words.ts';
import { isAtTop, selectPaths } from '../tracked-paths.ts';

interface Options {
  paths: string[];
  from: string | undefined;
  object: string | undefined;
  out: string | undefined;
  as: string | undefined;
}

const kinds: readonly string[] = ['file', 'executable', 'link', 'folder'];

const usage = (message: string, hint?: string) =>
  new DvError('usage', { message, ...(hint === undefined ? {} : { hint }) });

/** Brings files back from pointers or a revision. */
async function restorePaths({ paths, from }: Options, context: Context): Promise<CommandResult> {
  const repo = context.repo();
  if (paths.length === 0)
    throw usage('restore: which paths?', 'dv restore . brings everything back as it is recorded');
  const result = await restore(repo, {
    ...selectPaths(repo, context.cwd, paths),
    ...(from === undefined ? {} : { from }),
    report: context.report,
    signal: context.signal,
  });
  const missing = result.missing.map(({ path }) => shellWord(path)).join(' ');
  const top = isAtTop(repo, context.cwd) ? '' : `-C ${shellWord(relative(context.cwd, repo.root))} `;
  const fetch = from === undefined ? 'dv pull' : `dv ${top}fetch --rev ${shellWord(from)} ${missing}`;
  const lines = checkoutLines(result, { atTop: isAtTop(repo, context.cwd), force: true, fetch });
  const whose = from === undefined ? 'recorded' : `${from} recorded it`;
  return {
    value: result,
    text: lines.length > 0 ? lines.join('\n') : `everything there is as ${whose}`,
    exit: checkoutExit(result),
  };
}

/** Brings an object back, to a path of the workspace or to a new place anywhere. */
async function restoreDigest(
  { paths, from, out, as }: Options,
  object: string,
  context: Context,
): Promise<CommandResult> {
  if (from !== undefined) throw usage('restore: --from and --object exclude each other');
  const kind = as === undefined ? {} : { as: checkKind(as) };
  const places = paths.length + (out === undefined ? 0 : 1);
  if (places !== 1) {
    throw usage(
      places === 0 ? 'restore: where should the object go?' : 'restore: an object goes to one place',
      'dv restore --object DIGEST PATH, or --out PATH for a new file anywhere',
    );
  }
  const repo = context.repo();
  const { report, signal } = context;
  if (out !== undefined) {
    const target = resolve(context.cwd, out);
    const { entries } = describeObject(repo, { object, ...kind });
    const { exportFiles } = await import('../../core/store/export.ts');
    const { files, bytes } = await exportFiles(repo, target, { entries }, { report, signal });
    return {
      value: { out: target, files, bytes },
      text: `${out}  ${countOf(files, 'file')}, ${formatBytes(bytes)}`,
    };
  }
  const path = toRepoPath(repo, context.cwd, paths[0]!);
  const result = await restoreObject(repo, path, { object, ...kind, report, signal });
  const lines = checkoutLines(result, {
    atTop: isAtTop(repo, context.cwd),
    force: true,
    fetch: 'dv fetch --all',
  });
  return {
    value: result,
    text: lines.length > 0 ? lines.join('\n') : `${path} holds that already`,
    exit: checkoutExit(result),
  };
}

function checkKind(as: string): ObjectKind {
  if (!kinds.includes(as)) throw usage(`restore: --as is ${as}; expected one of ${kinds.join(', ')}`);
  return as as ObjectKind;
}

export const command = defineCommand<Options>({
  usage: 'restore [paths..]',
  summary: 'bring back files as recorded, as a revision had them, or as dv saved them',
  examples: [
    [
      'dv restore data/train',
      'undoes local changes, deleted files included; what it replaces is saved first',
    ],
    [
      'dv restore --from v1.0 data/train/cats',
      'one subfolder as a tag had it; dv status shows the difference',
    ],
    ['dv restore --object 3f9a01c4d2e87b65 data/train/a.png', 'what dv saved before it replaced a file'],
    ['dv restore --object 3f9a01c4d2e87b65 --out /tmp/a.png', 'the same, to look at it elsewhere'],
  ],
  exits: [3, 4, 10, 11, 12],
  options: (yargs) =>
    yargs
      .positional('paths', {
        describe: 'tracked paths, files and folders in them, stage outputs; with --object, where it goes',
        type: 'string',
        array: true,
        default: [] as string[],
      })
      .option('from', {
        describe: 'a revision to take the files from; pointers stay as they are',
        type: 'string',
        requiresArg: true,
      })
      .option('object', {
        describe: 'an object of the cache, by its digest or the first digits of it',
        type: 'string',
        requiresArg: true,
      })
      .option('out', {
        describe: 'write the object to a new place instead',
        type: 'string',
        requiresArg: true,
      })
      .option('as', {
        describe: `what the object becomes: ${kinds.join(', ')}`,
        type: 'string',
        requiresArg: true,
      }),
  async run(options, context) {
    if (options.object !== undefined) return restoreDigest(options, options.object, context);
    const stray = options.out !== undefined ? '--out' : options.as !== undefined ? '--as' : undefined;
    if (stray !== undefined)
      throw usage(
        `restore: ${stray} goes with --object`,
        'dv get --rev REV PATH --out OUT copies data elsewhere',
      );
    return restorePaths(options, context);
  },
});
