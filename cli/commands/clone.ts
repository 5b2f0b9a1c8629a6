import { join, relative, resolve } from 'node:path';
import { DvError } from '../../core/errors.ts';
import { cloneGit, folderOfUrl, listSubmodules } from '../../core/ops/clone.ts';
import { pull } from '../../core/ops/pull.ts';
import { listWorkspaceData } from '../../core/ops/workspace-data.ts';
import type { Repo } from '../../core/store/repo.ts';
import { type CommandResult, defineCommand } from '../command.ts';
import { type Context, createContext } from '../context.ts';
import { clean } from '../report/clean.ts';
import { pullExit, pullLines } from '../report/fetch-words.ts';
import { command as init } from './init.ts';

interface Options {
  url: string;
  directory: string | undefined;
  branch: string | undefined;
  depth: number | undefined;
  'recurse-submodules': boolean;
  'no-hooks': boolean;
  remote: string | undefined;
}

export const command = defineCommand<Options>({
  usage: 'clone <url> [directory]',
  summary: 'git clone, dv init and dv pull in one',
  examples: [
    ['dv clone git@example.org:team/cats.git', 'a clone with its data and hooks, in ./cats'],
    ['dv clone --branch data/v2 --depth 1 <url> here', 'one branch without its history, in ./here'],
    ['dv clone --no-hooks <url>', 'leaves hooks alone: nothing of the repository runs by itself'],
  ],
  exits: [3, 4, 10, 11, 12, 13, 14],
  options: (yargs) =>
    yargs
      .positional('url', { describe: 'what git clone takes', type: 'string', demandOption: true })
      .positional('directory', {
        describe: 'the folder to make; by default the URL’s last part',
        type: 'string',
      })
      .option('branch', {
        alias: 'b',
        describe: 'the branch or tag to check out, as of git clone',
        type: 'string',
        requiresArg: true,
      })
      .option('depth', {
        describe: 'how many commits of history, as of git clone',
        type: 'number',
        requiresArg: true,
      })
      .option('recurse-submodules', {
        describe: 'clone submodules too, and bring their data',
        type: 'boolean',
        default: false,
      })
      .option('no-hooks', { describe: 'install no git hooks', type: 'boolean', default: false })
      .option('remote', {
        describe: 'which remote of the clone, if not the default',
        type: 'string',
        requiresArg: true,
      }),
  async run(options, context) {
    const { url, branch, depth } = options;
    if (depth !== undefined && !(Number.isInteger(depth) && depth > 0)) {
      throw new DvError('usage', { message: '--depth takes a whole number from 1 on' });
    }
    const name = options.directory ?? folderOfUrl(url);
    if (name === undefined || name === '') {
      throw new DvError('usage', {
        message: `${url} has no last part to name a folder after`,
        hint: 'dv clone <url> <directory>',
      });
    }
    const directory = resolve(context.cwd, name);
    await cloneGit(
      {
        url,
        directory,
        branch,
        depth,
        submodules: options['recurse-submodules'],
        talk: context.talkative,
        signal: context.signal,
      },
      context.env,
      context.cwd,
    );
    const result = await bringData(directory, options, context);
    const submodules = options['recurse-submodules'] ? listSubmodules(result.repo.git) : [];
    for (const folder of submodules) {
      const inner = await bringData(join(directory, folder), options, context);
      if (inner.usesDv) {
        result.lines.push(...inner.lines.map((line) => `${folder}: ${line}`));
        result.exit ||= inner.exit;
      }
    }
    const where = relative(context.cwd, directory) || '.';
    return {
      value: { root: result.repo.root, usesDv: result.usesDv, init: result.init, pulled: result.pulled },
      text: [
        result.usesDv
          ? `cloned into ${where}`
          : `cloned into ${where}; it has no data of dv yet: dv init there starts`,
        ...result.lines,
      ].join('\n'),
      ...(result.exit === 0 ? {} : { exit: result.exit }),
    };
  },
});

/** What became of the data of one clone. */
interface Brought {
  readonly repo: Repo;
  /** Whether it has data, or settings, of dv; else nothing was changed. */
  readonly usesDv: boolean;
  readonly init: unknown;
  readonly pulled: unknown;
  readonly lines: string[];
  exit: number;
}

/** `dv init` and `dv pull` in a clone. A failure says first that the clone is there, and how to go on. */
async function bringData(directory: string, options: Options, outer: Context): Promise<Brought> {
  const { env, report, signal, interactive } = outer;
  const context = createContext({
    cwd: directory,
    env,
    report,
    signal,
    interactive,
    talkative: outer.talkative,
  });
  const repo = context.repo();
  const done: Brought = { repo, usesDv: true, init: null, pulled: null, lines: [], exit: 0 };
  try {
    const hasData = listWorkspaceData(repo).length > 0;
    if (!hasData && repo.config.remotes.size === 0) return { ...done, usesDv: false };
    const prepared = await init.run({ 'no-hooks': options['no-hooks'] }, context);
    const exit = prepared.exit ?? 0;
    const started = { ...done, init: prepared.value, lines: hooksLine(prepared, options), exit };
    if (!hasData) return started;
    const remote = await context.openRemote(options.remote);
    try {
      const result = await pull(repo, remote, { force: false, report, signal });
      return {
        ...started,
        pulled: result,
        lines: [...started.lines, ...pullLines(result, { atTop: false, force: false })],
        exit: pullExit(result) || exit,
      };
    } finally {
      await remote.close();
    }
  } catch (error) {
    const where = relative(outer.cwd, directory) || '.';
    report({
      type: 'warning',
      message: `the git repository is in ${where}; its data is not, or not all`,
      hint: `cd ${clean(where)} && dv init && dv pull`,
    });
    throw error;
  }
}

/** Hooks run what the repository says on later checkouts: that they are there is worth a line. */
function hooksLine(prepared: CommandResult, options: Options): string[] {
  if (options['no-hooks']) return ['no hooks were installed: dv init installs them'];
  return prepared.exit === undefined ? [] : prepared.text.split('\n');
}
