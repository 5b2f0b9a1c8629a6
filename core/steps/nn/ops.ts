/**
 * What a network needs from a backend. `plain-ops.ts` has it from TensorFlow.js alone, for any backend;
 * `wasm-ops.ts` from the kernels of this folder. Both give the same values and gradients up to rounding.
 * Tensors are float32; images are [batch, height, width, channels]. Callers dispose results, mostly by tf.tidy.
 */
import type { NamedTensorMap, Scalar, Tensor1D, Tensor2D, Tensor4D, Variable } from '@tensorflow/tfjs-core';

/** Sizes of a window that slides over images: square, the same in both directions. */
export interface Window {
  /** Height and width of the window, in pixels. */
  readonly size: number;
  /** Pixels from one window to the next. */
  readonly stride: number;
  /** Pixels of zeros around the image. */
  readonly pad: number;
}

/** The result of normalising a batch with its own statistics. */
export interface Normalised {
  readonly y: Tensor4D;
  /** Mean of each channel over the batch and its pixels [channels]; carries no gradient. */
  readonly mean: Tensor1D;
  /** Population variance of each channel [channels]; carries no gradient. */
  readonly variance: Tensor1D;
}

/** How wrong the scores of a batch are. */
export interface Loss {
  /** Mean over the batch of −ln(probability of the right class). */
  readonly loss: Scalar;
  /** Softmax of the scores [batch, classes]; carries no gradient. */
  readonly probabilities: Tensor2D;
}

/** Differentiable operations of a convolutional network. */
export interface Ops {
  /** Convolves images with a kernel [size, size, channels, filters]; no bias. */
  convolve(x: Tensor4D, kernel: Tensor4D, window: Window): Tensor4D;
  /** γ · (x − mean) / √(variance + ε) + β with the statistics of the batch itself; at least 0 when `relu`. */
  batchNorm(x: Tensor4D, gamma: Tensor1D, beta: Tensor1D, options: BatchNormOptions): Normalised;
  /** x · factor + offset per channel, at least 0 when `relu`: batch normalisation with known statistics. No gradient. */
  scaleShift(x: Tensor4D, factor: Tensor1D, offset: Tensor1D, relu: boolean): Tensor4D;
  /** max(a + b, 0). */
  addRelu(a: Tensor4D, b: Tensor4D): Tensor4D;
  /** Largest value of each window, the zeros around the image included. */
  maxPool(x: Tensor4D, window: Window): Tensor4D;
  /** Mean over the pixels: [batch, channels]. */
  averagePool(x: Tensor4D): Tensor2D;
  /** x [batch, features] · kernel [features, classes] + bias [classes]. */
  dense(x: Tensor2D, kernel: Tensor2D, bias: Tensor1D): Tensor2D;
  /** Softmax cross-entropy. Labels are int32 [batch], each below the number of classes. */
  crossEntropy(logits: Tensor2D, labels: Tensor1D): Loss;
}

export interface BatchNormOptions {
  readonly epsilon: number;
  readonly relu: boolean;
}

/** Settings of Adam. Source: Kingma and Ba 2015, arXiv:1412.6980, algorithm 1. */
export interface AdamSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

/** Changes weights by their gradients. Disposing it frees what it remembers from step to step; the variables stay. */
export interface Optimizer extends Disposable {
  /** One step. `gradients` by variable name, one for each variable; not disposed. */
  apply(gradients: NamedTensorMap, learningRate: number): void;
}

/** A backend ready to train on. */
export interface Compute {
  readonly backend: 'wasm' | 'cpu';
  readonly ops: Ops;
  adam(variables: readonly Variable[], settings: AdamSettings): Optimizer;
  /** Runs one step of many that take about as long, on as many threads as has been fastest lately. */
  timed<Result>(step: () => Result): Result;
}
