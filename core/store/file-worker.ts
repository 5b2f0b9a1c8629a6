/** The thread side of file-pool.ts: runs file tasks as they come and sends back their results. */
import { parentPort } from 'node:worker_threads';
import { systemCode } from '../errors.ts';
import { type ReadTask, readFiles } from './read-files.ts';
import { type StatTask, statFiles } from './stat-files.ts';
import { type WriteTask, writeFiles } from './write-files.ts';

/** Everything a thread can be asked to do. */
export type FileTask = StatTask | ReadTask | WriteTask;

/** What a thread sends back. */
export type FileReply = { readonly result: unknown } | { readonly error: { message: string; code?: string } };

parentPort?.on('message', (task: FileTask) => {
  let reply: FileReply;
  try {
    const result =
      task.kind === 'stat' ? statFiles(task) : task.kind === 'read' ? readFiles(task) : writeFiles(task);
    reply = { result };
  } catch (error) {
    const code = systemCode(error);
    reply = { error: { message: String((error as Error).message), ...(code === undefined ? {} : { code }) } };
  }
  parentPort?.postMessage(reply);
});
