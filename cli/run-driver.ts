/**
 * `dv hook merge-pointer|merge-lock|merge-ignore|textconv`, called by git for one file at a time: nothing is loaded that the call
 * at hand does not need. A bug here must cost nobody a merge or a diff: git's own way is taken then, and the bug told.
 */
import { resolve } from 'node:path';
import { DvError, isDvError } from '../core/errors.ts';
import { openGit } from '../core/store/git.ts';
import { openRepo, type Repo } from '../core/store/repo.ts';
import type { DriverName } from '../hooks/events.ts';
import type { MergeCall, MergeEnd } from '../hooks/merge-driver.ts';
import type { Terminal } from './terminal.ts';

/** Runs a driver and gives back its exit status; never throws. @param args what git gave. */
export async function runDriver(
  name: DriverName,
  args: readonly string[],
  terminal: Terminal,
): Promise<number> {
  try {
    if (name === 'textconv') return await convert(args, terminal);
    const end = await merge(name, callOf(args, terminal.cwd), terminal);
    const clean =
      end.kind === 'text'
        ? end.clean
        : end.kind === 'data'
          ? end.conflicts.length === 0
          : end.stages.length === 0;
    // Nobody is there to read of conflicts between common ancestors.
    if (args[0] !== 'base' && (!clean || (end.kind === 'text' && end.reason !== undefined))) {
      const { mergeLines } = await import('./report/merge-words.ts');
      for (const line of mergeLines(end)) terminal.writeError(`dv: ${line}\n`);
    }
    return clean ? 0 : 1;
  } catch (error) {
    const { describeFailure } = await import('./exit.ts');
    terminal.writeError(`${describeFailure(error).text}\n`);
    return 1;
  }
}

/** The repository, or undefined where there is none with a workspace. */
function openIfThere(terminal: Terminal): Repo | undefined {
  try {
    return openRepo({ cwd: terminal.cwd, env: terminal.env });
  } catch (error) {
    if (isDvError(error)) return undefined;
    throw error;
  }
}

const calledByHand = (what: string) =>
  new DvError('usage', {
    message: `${what} is called by git, as dv init wrote into its config`,
    hint: 'dv hook list',
  });

function callOf(args: readonly string[], cwd: string): MergeCall {
  const [take, base, ours, theirs, markerSize, path] = args;
  if (path === undefined || (take !== 'ours' && take !== 'base')) {
    throw calledByHand('dv hook merge-…');
  }
  const file = (name: string | undefined) => resolve(cwd, name!);
  return { take, base: file(base), ours: file(ours), theirs: file(theirs), markerSize: markerSize!, path };
}

async function merge(name: DriverName, call: MergeCall, terminal: Terminal): Promise<MergeEnd> {
  const { asText, mergeIgnoreFiles, mergeLockFiles, mergePointerFiles } = await import(
    '../hooks/merge-driver.ts'
  );
  const withGit = { git: openGit(terminal.cwd, terminal.env) };
  if (name === 'merge-ignore') return mergeIgnoreFiles(withGit, call);
  const repo = openIfThere(terminal);
  if (repo === undefined) return asText(withGit, call);
  try {
    return await (name === 'merge-lock' ? mergeLockFiles : mergePointerFiles)(repo, call);
  } catch (error) {
    const { describeFailure } = await import('./exit.ts');
    terminal.writeError(`${describeFailure(error).text}\n`);
    return asText(repo, call);
  }
}

async function convert([file]: readonly string[], terminal: Terminal): Promise<number> {
  if (file === undefined) throw calledByHand('dv hook textconv');
  const [{ textOf }, { cleanLine }, { describePointer, formatBytes }] = await Promise.all([
    import('../hooks/textconv.ts'),
    import('./report/clean-line.ts'),
    import('./report/words.ts'),
  ]);
  const words = { describe: describePointer, size: formatBytes, name: cleanLine };
  terminal.writeOut(textOf(openIfThere(terminal), resolve(terminal.cwd, file), words));
  return 0;
}
