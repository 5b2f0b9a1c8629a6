/**
 * The kernel that TensorFlow.js clones tensors with. Its own for wasm copies the numbers, and the tape clones
 * every tensor that a gradient will need: a fifth of the memory of a training step, and a twentieth of its time. This one
 * counts another reference instead, as those of its other backends do.
 */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';

/** Replaces the kernel. Once per process. */
export function registerIdentity(backend: BackendWasm): void {
  tf.unregisterKernel(tf.Identity, 'wasm');
  tf.registerKernel({
    kernelName: tf.Identity,
    backendName: 'wasm',
    kernelFunc: ({ inputs }) => {
      const { dataId, shape, dtype } = (inputs as Record<'x', tf.TensorInfo>).x;
      backend.incRef(dataId);
      return { dataId, shape, dtype };
    },
  });
}
