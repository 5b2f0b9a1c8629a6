/** The thread side of transfer-pool.ts: packs and unpacks objects as it is told. */
import { parentPort } from 'node:worker_threads';
import { systemCode } from '../errors.ts';
import { type PackResult, type PackTask, packObjects } from './pack-objects.ts';
import {
  type SettleTask,
  settleObjects,
  type UnpackResult,
  type UnpackTask,
  unpackObjects,
} from './unpack-objects.ts';

/** What a thread can be asked for, and what it gives back. */
export interface TransferTasks {
  pack: { task: PackTask; result: PackResult };
  unpack: { task: UnpackTask; result: UnpackResult };
  settle: { task: SettleTask; result: Record<string, never> };
}
/** Any task. */
export type TransferTask = PackTask | UnpackTask | SettleTask;

/** What a thread sends back. */
export type TransferReply =
  | { readonly result: TransferTasks[keyof TransferTasks]['result'] }
  | { readonly error: { message: string; code?: string } };

/** Does one task. */
export function doTransfer(task: TransferTask): TransferTasks[keyof TransferTasks]['result'] {
  switch (task.kind) {
    case 'pack':
      return packObjects(task);
    case 'unpack':
      return unpackObjects(task);
    case 'settle':
      return settleObjects(task);
  }
}

parentPort?.on('message', (task: TransferTask) => {
  try {
    const result = doTransfer(task);
    const reply: TransferReply = { result };
    parentPort?.postMessage(reply, 'space' in result ? [result.space] : []);
  } catch (error) {
    const code = systemCode(error);
    const reply: TransferReply = {
      error: { message: String((error as Error).message), ...(code === undefined ? {} : { code }) },
    };
    parentPort?.postMessage(reply);
  }
});
