import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import { openCompute } from '../../../../core/steps/nn/compute.ts';
import type { Ops } from '../../../../core/steps/nn/ops.ts';
import { Random } from '../../../../core/steps/random.ts';

/** Numbers uniform in −1..1. */
export function numbers(shape: readonly number[], purpose: string): Float32Array {
  const random = new Random(1, purpose);
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.between(-1, 1));
}

/** A tensor of such numbers on the current backend. */
export const noise = <T extends tf.Tensor>(shape: number[], purpose: string): T =>
  tf.tensor(numbers(shape, purpose), shape) as T;

/** Runs the same work with the kernels and with TensorFlow.js alone; gives the numbers of each result. */
export async function onBoth(
  work: (ops: Ops) => tf.Tensor[],
): Promise<{ wasm: Float32Array[]; cpu: Float32Array[] }> {
  const result = { wasm: [] as Float32Array[], cpu: [] as Float32Array[] };
  for (const backend of ['cpu', 'wasm'] as const) {
    const { ops } = await openCompute(backend, 2);
    const tensors = work(ops);
    result[backend] = tensors.map((tensor) => tensor.dataSync<'float32'>().slice());
    tf.dispose(tensors);
  }
  return result;
}

/** The largest difference, as a share of the largest number expected. */
export function relativeError(actual: Float32Array, expected: Float32Array): number {
  expect(actual.length).toBe(expected.length);
  let difference = 0;
  let largest = 0;
  expected.forEach((value, i) => {
    const d = Math.abs(value - actual[i]!);
    difference = Number.isNaN(d) ? Number.POSITIVE_INFINITY : Math.max(difference, d);
    largest = Math.max(largest, Math.abs(value));
  });
  return largest === 0 ? difference : difference / largest;
}

/** The length of the difference as a share of the length of what is expected. */
export function distance(actual: Float32Array, expected: Float32Array): number {
  expect(actual.length).toBe(expected.length);
  const length = (values: Float32Array) => Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0));
  return length(expected.map((value, i) => value - actual[i]!)) / length(expected);
}

/** Expects both backends' numbers to agree up to rounding. */
export function expectSame(
  { wasm, cpu }: { wasm: Float32Array[]; cpu: Float32Array[] },
  within = 1e-5,
): void {
  expect(wasm.length).toBe(cpu.length);
  for (const [i, values] of wasm.entries()) {
    expect(relativeError(values, cpu[i]!), `result ${i}`).toBeLessThan(within);
  }
}

/**
 * A function's value and its gradients, weighted by fixed random numbers: Σ weight · f(inputs), so that every
 * output has a gradient of its own.
 */
export function valueAndGradients(
  f: (...inputs: tf.Tensor[]) => tf.Tensor,
  inputs: tf.Tensor[],
): tf.Tensor[] {
  const value = f(...inputs);
  const weights = noise(value.shape, 'weights of outputs');
  const gradients = tf.grads((...xs: tf.Tensor[]) => tf.sum(tf.mul(f(...xs), weights)))(inputs);
  return [value, ...gradients];
}
