/**
 * How kernels are made known to TensorFlow.js: for its wasm backend, under names of their own, so that its own
 * kernels stay as they are (but for one, see identity.ts). Registered kernels run under its tape (gradients) and its tidy (memory).
 */
import * as tf from '@tensorflow/tfjs-core';

/** Numbers that go with a kernel besides its tensors. */
export type Attributes = Record<string, number | boolean>;

/** Registers a kernel whose inputs have these names. A second registration of a name is an error. */
export function defineKernel<Inputs extends string, Attrs extends Attributes = Record<never, never>>(
  kernelName: string,
  kernel: (inputs: Record<Inputs, tf.TensorInfo>, attrs: Attrs) => tf.TensorInfo | tf.TensorInfo[],
): void {
  tf.registerKernel({
    kernelName,
    backendName: 'wasm',
    kernelFunc: ({ inputs, attrs }) => kernel(inputs as Record<Inputs, tf.TensorInfo>, attrs as Attrs),
  });
}

/** Which tensors of a kernel's run its gradient needs. */
export interface Saved<Inputs extends string> {
  readonly inputs: readonly Inputs[];
  /** One flag per output. */
  readonly outputs?: readonly boolean[];
}

/**
 * Registers the gradient of a kernel.
 * @param gradient gets the gradients of the outputs (zeros where an output was not used), the saved inputs and
 * then the saved outputs, and the kernel's attributes; gives for each input a function that gives its gradient.
 * Only the functions that are needed are called, each inside a tidy of its own.
 */
export function defineGradient<Inputs extends string, Attrs extends Attributes = Record<never, never>>(
  kernelName: string,
  saved: Saved<Inputs>,
  gradient: (dys: tf.Tensor[], saved: tf.Tensor[], attrs: Attrs) => Record<string, () => tf.Tensor>,
): void {
  tf.registerGradient({
    kernelName,
    inputsToSave: [...saved.inputs],
    outputsToSave: [...(saved.outputs ?? [])],
    gradFunc: (dy, tensors, attrs) => gradient(Array.isArray(dy) ? dy : [dy], tensors, attrs as Attrs),
  });
}

/** Runs a kernel with one output. */
export function runKernel<Result extends tf.Tensor>(
  kernelName: string,
  inputs: tf.NamedTensorMap,
  attrs: Attributes = {},
): Result {
  return tf.engine().runKernel<Result>(kernelName, inputs, attrs);
}

/** Runs a kernel with several outputs. */
export function runKernels(
  kernelName: string,
  inputs: tf.NamedTensorMap,
  attrs: Attributes = {},
): tf.Tensor[] {
  return tf.engine().runKernel<tf.Tensor[]>(kernelName, inputs, attrs);
}

/** The sizes of a batch of images. */
export type Shape4 = [batch: number, height: number, width: number, channels: number];
/** The shape of a tensor that holds images. */
export const shape4 = (tensor: tf.TensorInfo) => tensor.shape as Shape4;
/** How many numbers a shape has. */
export const countOf = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);

/** Normalisation and pooling take four channels at a time; the layers of a ResNet50 have multiples of 64. */
export function needFours(channels: number): void {
  if (channels % 4 !== 0)
    throw new Error(`normalisation and pooling need a multiple of 4 channels, not ${channels}`);
}
