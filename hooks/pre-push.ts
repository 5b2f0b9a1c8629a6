/**
 * `pre-push <remote> <URL>`, with one line per ref on standard input (githooks(5)): data goes out first, so that
 * no pointer reaches others before what it points at.
 */
import { isDvError } from '../core/errors.ts';
import type { PushResult } from '../core/ops/push.ts';
import type { DataPath } from '../core/ops/workspace-data.ts';
import type { History } from '../core/store/history.ts';
import type { Remote } from '../core/store/remote.ts';
import type { HookContext } from './follow.ts';

/** What pre-push is given. */
export interface PushContext extends HookContext {
  /** What git wrote to standard input. */
  readonly input: string;
  /** Opens dv's remote; the hook closes it. @throws {DvError} no-remote, unknown-remote */
  openRemote(): Promise<Remote>;
}

/** A ref that is about to be pushed. */
interface RefUpdate {
  /** What it will be, a full id. */
  readonly local: string;
  /** What it is over there, a full id; undefined when it is new. */
  readonly remote: string | undefined;
}

/** Files by which a commit stands for data, as git's pathspecs. */
const dataFiles = ['*.dv', 'stages.lock'];

const isZero = (id: string) => /^0+$/.test(id);

/** Reads git's lines; refs that are deleted carry no data and are left out. */
export function parseRefUpdates(input: string): RefUpdate[] {
  return input.split('\n').flatMap((line) => {
    const [, local, , remote] = line.split(' ');
    if (local === undefined || remote === undefined || isZero(local)) return [];
    return [{ local, remote: isZero(remote) ? undefined : remote }];
  });
}

/**
 * Runs the hook: pushes the data of the refs' commits, and of every commit on the way to them that changed data
 * and that no git remote has seen. Commits some remote has were pushed by somebody's hook before.
 * @returns what was pushed, or undefined when the commits stand for no data.
 * @throws {DvError} no-remote, data-missing, remote-*, and whatever else kept data from arriving
 */
export async function prePush(context: PushContext): Promise<PushResult | undefined> {
  const updates = parseRefUpdates(context.input);
  if (updates.length === 0) return undefined;
  const sets = await listData(context, updates);
  if (sets.length === 0) return undefined;
  const [{ push }, remote] = await Promise.all([import('../core/ops/push.ts'), context.openRemote()]);
  try {
    return await push(context.repo, remote, { sets, report: context.report, signal: context.signal });
  } finally {
    await remote.close();
  }
}

/** The data of the commits to push, one set per commit that stands for any. */
async function listData(context: PushContext, updates: readonly RefUpdate[]): Promise<DataPath[][]> {
  const { git } = context.repo;
  const ids = (args: readonly string[], input: readonly string[]) =>
    git
      .output(['rev-list', ...args], { input: `${input.join('\n')}\n` })
      .split('\n')
      .filter((id) => id !== '');
  const wanted = updates.map((update) => update.local);
  // Tags lead to their commits here; what is over there may be unknown here.
  const tips = ids(['--no-walk', '--stdin'], wanted);
  const known = updates.flatMap((update) => (update.remote === undefined ? [] : [`^${update.remote}`]));
  const between = ids(
    ['--ignore-missing', '--full-history', '--stdin', '--not', '--remotes'],
    [...wanted, ...known, '--', ...dataFiles],
  );
  const { openHistory } = await import('../core/store/history.ts');
  await using history = await openHistory(context.repo);
  const sets = await readSets(history, new Set(tips), [...new Set([...tips, ...between])], context);
  return sets.filter((set) => set.length > 0);
}

/**
 * Reads the data of commits. A pointer that cannot be read, as after a bad merge, stops a push only where it is
 * the state that is pushed; in an older commit it stands for nothing and is named.
 */
async function readSets(
  history: History,
  tips: ReadonlySet<string>,
  commits: readonly string[],
  context: PushContext,
): Promise<DataPath[][]> {
  const { listDataAt } = await import('../core/ops/data-at.ts');
  try {
    return await listDataAt(history, commits);
  } catch (error) {
    if (!isDvError(error, 'invalid-file')) throw error;
  }
  const sets: DataPath[][] = [];
  for (const commit of commits) {
    try {
      sets.push(...(await listDataAt(history, [commit])));
    } catch (error) {
      if (!isDvError(error, 'invalid-file') || tips.has(commit)) throw error;
      context.report({
        type: 'warning',
        message: `the data of an older commit is not pushed: ${error.message}`,
      });
    }
  }
  return sets;
}
