/** A kernel thread: runs the calls the main thread prepares for it, on the memory both share, until the process ends. */
import { workerData } from 'node:worker_threads';
import { Control } from './control.ts';
import { instantiateKernels, kernelNames } from './exports.ts';

/** What a kernel thread is started with. */
export interface ThreadData {
  readonly compiled: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly control: SharedArrayBuffer;
  /** Its number, from 0. */
  readonly thread: number;
}

const { compiled, memory, control: buffer, thread } = workerData as ThreadData;
const control = new Control(buffer);
const kernels = instantiateKernels(compiled, memory);

for (let seen = 0; ; ) {
  seen = control.nextStart(seen);
  const { kernel, call } = control.prepared(thread);
  const name = kernelNames[kernel];
  if (name === undefined) continue;
  try {
    (kernels[name] as (...args: number[]) => void)(...call);
    control.done(true);
  } catch {
    control.done(false);
  }
}
