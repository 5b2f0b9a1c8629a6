/** Lists a folder of the workspace and looks at every file in it: on threads, a subfolder each, when it is large. */
import { join } from 'node:path';
import type { RepoPath } from '../model/repo-path.ts';
import { statFiles, statWidth } from './stat-files.ts';
import type { ThreadPool } from './thread-pool.ts';
import { ignoreRulesAbove, listLevel, type Walked, type WalkProblem, walk } from './walk.ts';

/** A listing with how its files look. */
export interface Survey extends Walked {
  /** `statWidth` numbers per path. */
  readonly columns: Float64Array;
}

/** Below this many files threads cost more to start than they save. */
const worthThreads = 4000;
/** A flat folder is looked at in parts of this many files. */
const filesPerPart = 4000;

/** One subfolder to list and look at. */
export interface SurveyTask {
  readonly kind: 'survey';
  readonly root: string;
  readonly folder: RepoPath;
  /** Relative to `folder`. */
  readonly below: string;
}

/** A survey in a form that is cheap to hand over between threads. */
export interface SurveyResult {
  /** Paths separated by NUL; undefined when there are none. */
  readonly names: string | undefined;
  readonly columns: Float64Array;
  readonly problems: readonly WalkProblem[];
}

/** Lists one subfolder, and looks at every file in it. */
export function surveyFolder(task: SurveyTask): SurveyResult {
  const { paths, problems } = walk(task.root, task.folder, task.below);
  if (paths.length === 0) return { names: undefined, columns: new Float64Array(0), problems };
  const names = paths.join('\0');
  const { columns } = statFiles({ kind: 'stat', folder: join(task.root, task.folder), names });
  return { names, columns, problems };
}

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
    expected < worthThreads ? [onThisThread(root, folder)] : await onThreads(pool, root, folder, signal);
  const paths: RepoPath[] = [];
  const problems: WalkProblem[] = [];
  for (const part of parts) {
    problems.push(...part.problems);
    if (part.names !== undefined) for (const name of part.names.split('\0')) paths.push(name as RepoPath);
  }
  const columns = new Float64Array(paths.length * statWidth);
  let at = 0;
  for (const part of parts) {
    columns.set(part.columns, at);
    at += part.columns.length;
  }
  return { paths, problems, columns };
}

const onThisThread = (root: string, folder: RepoPath) =>
  surveyFolder({ kind: 'survey', root, folder, below: '' });

/** One task per subfolder, and one per so many files beside them, in the order of their paths. */
async function onThreads(
  pool: ThreadPool,
  root: string,
  folder: RepoPath,
  signal: AbortSignal | undefined,
): Promise<SurveyResult[]> {
  const parts: Promise<SurveyResult>[] = [];
  const problems: WalkProblem[] = [];
  const size = { files: Number.POSITIVE_INFINITY, bytes: 0 };
  let files: RepoPath[] = [];
  const flush = () => {
    if (files.length === 0) return;
    const names = files.join('\0');
    files = [];
    const looked = pool.run<'stat'>({ kind: 'stat', folder: join(root, folder), names }, size);
    parts.push(looked.then(({ columns }) => ({ names, columns, problems: [] })));
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
      else parts.push(pool.run<'survey'>({ kind: 'survey', root, folder, below: path }, size));
    }
  };
  visit('', ignoreRulesAbove(root, folder));
  flush();
  const done = await Promise.all(parts);
  signal?.throwIfAborted();
  return problems.length === 0
    ? done
    : [...done, { names: undefined, columns: new Float64Array(0), problems }];
}
