/** The thread side of thread-pool.ts: does tasks as they come and sends back their results. */
import { parentPort, workerData } from 'node:worker_threads';
import { systemCode } from '../errors.ts';
import { doTask, type ResultOf, type TaskKind, type TaskOf } from './thread-tasks.ts';
import { keepYoungSpaceSmall, type ThreadData } from './young-space.ts';

if ((workerData as ThreadData).keepYoungSpaceSmall) keepYoungSpaceSmall();

/** What a thread sends back. */
export type ThreadReply =
  | { readonly result: ResultOf<TaskKind> }
  | { readonly error: { message: string; code?: string } };

/** Large memory in a result, which is handed over rather than copied. */
function handedOver(result: ResultOf<TaskKind>): ArrayBuffer[] {
  if ('space' in result) return [result.space];
  if ('parts' in result) return result.parts.map(({ columns }) => columns.buffer as ArrayBuffer);
  return 'columns' in result ? [result.columns.buffer as ArrayBuffer] : [];
}

parentPort?.on('message', (task: TaskOf<TaskKind>) => {
  try {
    const result = doTask(task);
    const reply: ThreadReply = { result };
    parentPort?.postMessage(reply, handedOver(result));
  } catch (error) {
    const code = systemCode(error);
    const reply: ThreadReply = {
      error: { message: String((error as Error).message), ...(code === undefined ? {} : { code }) },
    };
    parentPort?.postMessage(reply);
  }
});
