/**
 * Softmax cross-entropy on the wasm backend, in JavaScript: a few numbers per image, computed in double
 * precision, where the rest of a step is millions.
 */
import type { Scalar, Tensor2D } from '@tensorflow/tfjs-core';
import type { Ops } from '../ops.ts';
import { defineGradient, defineKernel, runKernel, runKernels } from './define.ts';
import type { KernelRuntime } from './runtime.ts';

/** Registers the kernels and their gradients. Once per process. */
export function registerCrossEntropy(runtime: KernelRuntime): void {
  defineKernel<'logits' | 'labels'>('DvCrossEntropy', ({ logits, labels }) => {
    const [batch, classes] = logits.shape as [number, number];
    const loss = runtime.output([]);
    const probabilities = runtime.output([batch, classes]);
    const scores = runtime.numbers(logits);
    const right = runtime.integers(labels);
    const result = runtime.numbers(probabilities);
    let total = 0;
    for (let row = 0; row < batch; row++) {
      const start = row * classes;
      let largest = Number.NEGATIVE_INFINITY;
      for (let c = 0; c < classes; c++) largest = Math.max(largest, scores[start + c]!);
      let sum = 0;
      for (let c = 0; c < classes; c++) sum += Math.exp(scores[start + c]! - largest);
      for (let c = 0; c < classes; c++) result[start + c] = Math.exp(scores[start + c]! - largest) / sum;
      total += Math.log(sum) + largest - scores[start + right[row]!]!;
    }
    runtime.numbers(loss)[0] = total / batch;
    return [loss, probabilities];
  });
  defineKernel<'probabilities' | 'labels' | 'dy'>('DvCrossEntropyBack', ({ probabilities, labels, dy }) => {
    const [batch, classes] = probabilities.shape as [number, number];
    const dlogits = runtime.output([batch, classes]);
    const result = runtime.numbers(dlogits);
    const right = runtime.integers(labels);
    const given = runtime.numbers(probabilities);
    const factor = runtime.numbers(dy)[0]! / batch;
    for (let row = 0; row < batch; row++) {
      for (let c = 0; c < classes; c++) {
        const target = c === right[row] ? 1 : 0;
        result[row * classes + c] = (given[row * classes + c]! - target) * factor;
      }
    }
    return dlogits;
  });
  defineGradient<'labels'>(
    'DvCrossEntropy',
    { inputs: ['labels'], outputs: [false, true] },
    ([dy], [labels, probabilities]) => ({
      logits: () =>
        runKernel('DvCrossEntropyBack', { probabilities: probabilities!, labels: labels!, dy: dy! }),
    }),
  );
}

/** The operations on the registered kernels; see `Ops` for what they do. */
export const crossEntropyOps: Pick<Ops, 'crossEntropy'> = {
  crossEntropy(logits, labels) {
    const [loss, probabilities] = runKernels('DvCrossEntropy', { logits, labels });
    return { loss: loss as Scalar, probabilities: probabilities as Tensor2D };
  },
};
