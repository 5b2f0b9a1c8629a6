/**
 * Lists a folder of the workspace and looks at every file in it. A large folder is cut into parts, and this thread and
 * the others each take the next part nobody has taken: all are busy until the last one, and none waits for another.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RepoPath } from '../model/repo-path.ts';
import { absolutePath, type Repo } from './repo.ts';
import { statWidth } from './stat-files.ts';
import { hashPaths } from './stat-index.ts';
import {
  type SurveyedPart,
  type SurveyPart,
  type SurveyTask,
  surveyPart,
  surveyParts,
} from './survey-parts.ts';
import type { ThreadPool } from './thread-pool.ts';
import { ignoreRulesAbove, listLevel, type Walked, type WalkProblem } from './walk.ts';

/** A listing with how its files look. */
export interface Survey extends Walked {
  /** Made when first asked for: that nothing changed is known without them. */
  readonly paths: RepoPath[];
  /** `statWidth` numbers per path. */
  readonly columns: Float64Array;
  /** The paths' hash, as a stat index keeps it. */
  readonly pathsHash: bigint;
}

/** Below this many files threads cost more to start than they save. */
const worthThreads = 4000;
/** A flat folder is looked at in parts of this many files. */
const filesPerPart = 2000;
/** So long this thread works before it lets others of its own be heard, an interruption above all. */
const turnMs = 50;

/**
 * Surveys a folder.
 * @param expected about how many files there are, e.g. as many as last time; decides about threads.
 */
export async function survey(
  pool: ThreadPool,
  options: { root: string; folder: RepoPath; expected: number; signal?: AbortSignal | undefined },
): Promise<Survey> {
  const { root, folder, expected, signal } = options;
  const parts =
    expected < worthThreads
      ? [surveyPart({ root, folder }, { below: '' })]
      : await surveyTogether(pool, root, folder, signal);
  const columns = new Float64Array(parts.reduce((sum, part) => sum + part.columns.length, 0));
  let at = 0;
  for (const part of parts) {
    columns.set(part.columns, at);
    at += part.columns.length;
  }
  const names = parts.flatMap((part) => part.names ?? []);
  let paths: RepoPath[] | undefined;
  return {
    get paths() {
      paths ??= names.flatMap((part) => part.split('\0') as RepoPath[]);
      return paths;
    },
    problems: parts.flatMap((part) => part.problems),
    columns,
    pathsHash: await hashPaths(names),
  };
}

/** Surveys on this thread and others, and gives the parts back in the order of their paths. */
async function surveyTogether(
  pool: ThreadPool,
  root: string,
  folder: RepoPath,
  signal: AbortSignal | undefined,
): Promise<Omit<SurveyedPart, 'part'>[]> {
  const { parts, problems } = cut(root, folder);
  const taken = new Int32Array(new SharedArrayBuffer(4));
  const task: SurveyTask = { kind: 'survey', root, folder, parts, taken };
  const done = new Array<SurveyedPart | undefined>(parts.length);
  const keep = (result: { parts: SurveyedPart[] }) => {
    for (const part of result.parts) done[part.part] = part;
  };
  const others = pool.runBeside<'survey'>(task).map((running) => running.then(keep));
  for (const other of others) other.catch(() => {});
  while (Atomics.load(taken, 0) < parts.length) {
    // Before the first part, too: the others get the task only when this thread lets go.
    await nextTurn();
    signal?.throwIfAborted();
    keep(surveyParts(task, Date.now() + turnMs));
  }
  // A thread that took nothing, perhaps since it only now starts, is not waited for.
  if (done.includes(undefined)) await Promise.all(others);
  signal?.throwIfAborted();
  return [...done.map((part) => part!), { names: undefined, columns: new Float64Array(0), problems }];
}

/** One part per subfolder, and one per so many files beside them, in the order of their paths. */
function cut(root: string, folder: RepoPath): { parts: SurveyPart[]; problems: WalkProblem[] } {
  const parts: SurveyPart[] = [];
  const problems: WalkProblem[] = [];
  let files: RepoPath[] = [];
  const flush = () => {
    if (files.length > 0) parts.push({ names: files.join('\0') });
    files = [];
  };
  const visit = (below: string, outer: ReturnType<typeof ignoreRulesAbove>) => {
    const level = listLevel(root, folder, below, outer);
    problems.push(...level.problems);
    const folders = level.items.filter((item) => item.isFolder).length;
    for (const { path, isFolder } of level.items) {
      if (!isFolder) {
        files.push(path);
        if (files.length >= filesPerPart) flush();
        continue;
      }
      flush();
      // A lone folder is gone into, so that there is something to share out.
      if (folders === 1) visit(path, level.rules);
      else parts.push({ below: path });
    }
  };
  visit('', ignoreRulesAbove(root, folder));
  flush();
  return { parts, problems };
}

/** Looks at every file. */
export async function statAll(
  pool: ThreadPool,
  folder: string,
  paths: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Float64Array> {
  const columns = new Float64Array(paths.length * statWidth);
  await pool.runSliced(
    'stat',
    paths.length,
    (from, to) => ({ kind: 'stat', folder, names: paths.slice(from, to).join('\0') }),
    (from, result) => columns.set(result.columns, from * statWidth),
    { signal },
  );
  return columns;
}

/** Lists a path and looks at its files; a single file is listed as `''`. */
export async function surveyPath(
  repo: Repo,
  path: RepoPath,
  work: { readonly isFolder: boolean; readonly pool: ThreadPool },
  options: { expected: number; signal: AbortSignal | undefined },
): Promise<Survey> {
  if (work.isFolder) return survey(work.pool, { root: repo.root, folder: path, ...options });
  const paths = ['' as RepoPath];
  return {
    paths,
    problems: [],
    columns: await statAll(work.pool, absolutePath(repo, path), paths, options.signal),
    pathsHash: await hashPaths(paths),
  };
}
