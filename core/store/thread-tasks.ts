/** Everything a thread can be asked to do: one synchronous function per kind of task. */
import { type AppendResult, type AppendTask, appendPiece } from './append-piece.ts';
import { type CheckProblem, type CheckTask, checkObjects } from './check-objects.ts';
import { type SettleTask, settleObjects } from './new-objects.ts';
import { type PackResult, type PackTask, packObjects } from './pack-objects.ts';
import { type ReadResult, type ReadTask, readFiles } from './read-files.ts';
import { type StatTask, statFiles } from './stat-files.ts';
import { type SurveyedPart, type SurveyTask, surveyParts } from './survey-parts.ts';
import { type UnpackResult, type UnpackTask, unpackObjects } from './unpack-objects.ts';
import { type WriteResult, type WriteTask, writeFiles } from './write-files.ts';

/** Task and result, by kind. */
export interface ThreadTasks {
  stat: { task: StatTask; result: { columns: Float64Array } };
  survey: { task: SurveyTask; result: { parts: SurveyedPart[] } };
  read: { task: ReadTask; result: ReadResult };
  write: { task: WriteTask; result: WriteResult };
  settle: { task: SettleTask; result: Record<string, never> };
  pack: { task: PackTask; result: PackResult };
  unpack: { task: UnpackTask; result: UnpackResult };
  check: { task: CheckTask; result: { problems: CheckProblem[] } };
  append: { task: AppendTask; result: AppendResult };
}

export type TaskKind = keyof ThreadTasks;
export type TaskOf<Kind extends TaskKind> = ThreadTasks[Kind]['task'];
export type ResultOf<Kind extends TaskKind> = ThreadTasks[Kind]['result'];

const functions: { [Kind in TaskKind]: (task: TaskOf<Kind>) => ResultOf<Kind> } = {
  stat: statFiles,
  survey: (task) => surveyParts(task),
  read: readFiles,
  write: writeFiles,
  settle: settleObjects,
  pack: packObjects,
  unpack: unpackObjects,
  check: checkObjects,
  append: appendPiece,
};

/** Does one task, on this thread. */
export function doTask<Kind extends TaskKind>(task: TaskOf<Kind>): ResultOf<Kind> {
  return functions[task.kind as Kind](task);
}
