/** Opens a backend to train or evaluate on. */
import * as tf from '@tensorflow/tfjs-core';
import { StepError } from '../../model/step.ts';
import { adam } from './kernels/adam.ts';
import { batchNormOps, registerBatchNorm } from './kernels/batch-norm.ts';
import { convolutionOps, registerConvolution } from './kernels/convolution.ts';
import { crossEntropyOps, registerCrossEntropy } from './kernels/cross-entropy.ts';
import { denseOps, registerDense } from './kernels/dense.ts';
import { registerIdentity } from './kernels/identity.ts';
import { poolingOps, registerPooling } from './kernels/pooling.ts';
import { KernelRuntime } from './kernels/runtime.ts';
import { startWithSharedMemory } from './kernels/shared-memory.ts';
import type { Compute } from './ops.ts';
import { openCpu } from './plain-ops.ts';
import { ThreadChoice } from './thread-choice.ts';

/** More threads than this gain nothing: a layer has too few rows to share. */
const mostThreads = 16;

/** The wasm backend, once it is started: a process has one. */
let wasm: Promise<KernelRuntime> | undefined;

async function startWasm(threads: number): Promise<KernelRuntime> {
  const { BackendWasm } = await import('@tensorflow/tfjs-backend-wasm');
  if (!(await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT')))
    throw new StepError(
      'this processor or Node cannot run WebAssembly SIMD, which the training kernels need',
      'set backend: cpu (much slower)',
    );
  if (threads > 1) await startWithSharedMemory();
  else await tf.setBackend('wasm');
  const backend = tf.backend();
  if (!(backend instanceof BackendWasm)) throw new Error('TensorFlow.js did not start its wasm backend');
  const runtime = await KernelRuntime.start(backend, threads);
  registerIdentity(backend);
  registerConvolution(runtime);
  registerDense(runtime);
  registerBatchNorm(runtime);
  registerPooling(runtime);
  registerCrossEntropy(runtime);
  return runtime;
}

/**
 * Opens a backend and makes it TensorFlow.js's current one.
 * @param backend `auto` is wasm.
 * @param threads how many threads the kernels may use: at most as many as when it was first called in the
 * process. Results are the same for any number, bit for bit. Ignored by the backend cpu.
 * @throws {StepError} when the backend cannot be had here.
 */
export async function openCompute(backend: 'auto' | 'wasm' | 'cpu', threads: number): Promise<Compute> {
  // Without the check of every tensor's numbers, and without advice on the console.
  tf.enableProdMode();
  if (backend === 'cpu') return openCpu();
  wasm ??= startWasm(Math.max(1, Math.min(threads, mostThreads)));
  const runtime = await wasm;
  await tf.setBackend('wasm');
  runtime.limitThreads(threads);
  const choice = new ThreadChoice(runtime.threads, (count) => runtime.limitThreads(count));
  return {
    backend: 'wasm',
    ops: { ...convolutionOps, ...denseOps, ...batchNormOps, ...poolingOps, ...crossEntropyOps },
    adam: (variables, settings) => adam(runtime, variables, settings),
    timed: (step) => choice.run(step),
  };
}
