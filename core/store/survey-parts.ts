/**
 * What each thread does in a survey (survey.ts): it takes the next part nobody has taken, lists it, looks at its files,
 * and goes on until none is left.
 */
import { join } from 'node:path';
import type { RepoPath } from '../model/repo-path.ts';
import { statPaths } from './stat-files.ts';
import { type WalkProblem, walk } from './walk.ts';

/** A subfolder to list with all below it, or files whose names (separated by NUL) are known. */
export type SurveyPart = { readonly below: string } | { readonly names: string };

/** Parts to share out: whoever does the task takes the next one, counted in memory that all see, until none is left. */
export interface SurveyTask {
  readonly kind: 'survey';
  readonly root: string;
  readonly folder: RepoPath;
  readonly parts: readonly SurveyPart[];
  /** One number: how many parts are taken. */
  readonly taken: Int32Array<SharedArrayBuffer>;
}

/** What was found in one part, in a form that is cheap to hand over between threads. */
export interface SurveyedPart {
  /** Position among the task's parts. */
  readonly part: number;
  /** Paths separated by NUL; undefined when there are none. */
  readonly names: string | undefined;
  readonly columns: Float64Array;
  readonly problems: readonly WalkProblem[];
}

/** Takes parts and surveys them until none is left, or the time is over. @param untilMs of `Date.now()`. */
export function surveyParts(task: SurveyTask, untilMs = Number.POSITIVE_INFINITY): { parts: SurveyedPart[] } {
  const parts: SurveyedPart[] = [];
  while (parts.length === 0 || Date.now() < untilMs) {
    const part = Atomics.add(task.taken, 0, 1);
    if (part >= task.parts.length) break;
    parts.push({ part, ...surveyPart(task, task.parts[part]!) });
  }
  return { parts };
}

/** Surveys one part. */
export function surveyPart(
  { root, folder }: Pick<SurveyTask, 'root' | 'folder'>,
  part: SurveyPart,
): Omit<SurveyedPart, 'part'> {
  const walked =
    'names' in part ? { paths: part.names.split('\0'), problems: [] } : walk(root, folder, part.below);
  const { paths, problems } = walked;
  const names = paths.length === 0 ? undefined : paths.join('\0');
  return { names, columns: statPaths(join(root, folder), paths), problems };
}
