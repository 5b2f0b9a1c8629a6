/** Opens a backend to train or evaluate on. */
import * as tf from '@tensorflow/tfjs-core';
import { StepError } from '../../model/step.ts';
import { adam } from './kernels/adam.ts';
import { batchNormOps } from './kernels/batch-norm.ts';
import { convolutionOps } from './kernels/convolution.ts';
import { crossEntropyOps } from './kernels/cross-entropy.ts';
import { compileKernels } from './kernels/exports.ts';
import { poolingOps } from './kernels/pooling.ts';
import { KernelRuntime } from './kernels/runtime.ts';
import type { Compute } from './ops.ts';
import { openCpu } from './plain-ops.ts';

let wasm: Promise<Compute> | undefined;

async function startWasm(): Promise<Compute> {
  const { BackendWasm } = await import('@tensorflow/tfjs-backend-wasm');
  const compiled = await compileKernels();
  if (!(await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT')))
    throw new StepError(
      'this processor or Node cannot run WebAssembly SIMD, which the training kernels need',
      'set backend: cpu (much slower)',
    );
  await tf.setBackend('wasm');
  const backend = tf.backend();
  if (!(backend instanceof BackendWasm)) throw new Error('TensorFlow.js did not start its wasm backend');
  const runtime = new KernelRuntime(backend, compiled);
  return {
    backend: 'wasm',
    ops: {
      ...convolutionOps(runtime),
      ...batchNormOps(runtime),
      ...poolingOps(runtime),
      ...crossEntropyOps(runtime),
    },
    adam: (variables, settings) => adam(runtime, variables, settings),
  };
}

/**
 * Opens a backend and makes it TensorFlow.js's current one.
 * @param backend `auto` is wasm.
 * @throws {StepError} when the backend cannot be had here.
 */
export async function openCompute(backend: 'auto' | 'wasm' | 'cpu'): Promise<Compute> {
  // Without the check of every tensor's numbers, and without advice on the console.
  tf.enableProdMode();
  if (backend === 'cpu') return openCpu();
  wasm ??= startWasm();
  const compute = await wasm;
  await tf.setBackend('wasm');
  return compute;
}
