/** The dense layer on the wasm backend: a convolution of images of one pixel. */
import type { Tensor2D } from '@tensorflow/tfjs-core';
import type { Ops } from '../ops.ts';
import { convolutionKernels } from './convolution.ts';
import { countOf, defineGradient, defineKernel, runKernel } from './define.ts';
import type { ConvolutionSizes } from './exports.ts';
import type { KernelRuntime } from './runtime.ts';

function onePixel(features: number, classes: number): ConvolutionSizes {
  return [1, 1, features, 1, 1, classes, 1, 1, 0];
}

/** Registers the kernels and their gradients. Once per process. */
export function registerDense(runtime: KernelRuntime): void {
  const { convolve, backInput, backKernel } = convolutionKernels(runtime);

  defineKernel<'x' | 'kernel' | 'bias'>('DvDense', ({ x, kernel, bias }) => {
    const [batch, features] = x.shape as [number, number];
    const classes = countOf(bias.shape);
    const y = runtime.output([batch, classes]);
    convolve(x, kernel, y, batch, onePixel(features, classes));
    runtime.kernels.addBias(runtime.address(y), runtime.address(bias), batch, classes);
    return y;
  });
  defineKernel<'dy' | 'kernel'>('DvDenseBackInput', ({ dy, kernel }) => {
    const [batch, classes] = dy.shape as [number, number];
    const [features] = kernel.shape as [number, number];
    const dx = runtime.output([batch, features]);
    backInput(dy, kernel, dx, batch, onePixel(features, classes));
    return dx;
  });
  defineKernel<'x' | 'dy'>('DvDenseBackKernel', ({ x, dy }) => {
    const [batch, features] = x.shape as [number, number];
    const [, classes] = dy.shape as [number, number];
    const dk = runtime.output([features, classes]);
    backKernel(x, dy, dk, batch, onePixel(features, classes));
    return dk;
  });
  defineKernel<'dy'>('DvSumRows', ({ dy }) => {
    const [batch, classes] = dy.shape as [number, number];
    const sum = runtime.output([classes]);
    runtime.kernels.sumRows(runtime.address(dy), runtime.address(sum), batch, classes);
    return sum;
  });
  defineGradient<'x' | 'kernel'>('DvDense', { inputs: ['x', 'kernel'] }, ([dy], [x, kernel]) => ({
    x: () => runKernel('DvDenseBackInput', { dy: dy!, kernel: kernel! }),
    kernel: () => runKernel('DvDenseBackKernel', { x: x!, dy: dy! }),
    bias: () => runKernel('DvSumRows', { dy: dy! }),
  }));
}

/** The operation on the registered kernels; see `Ops` for what it does. */
export const denseOps: Pick<Ops, 'dense'> = {
  dense: (x, kernel, bias) => runKernel<Tensor2D>('DvDense', { x, kernel, bias }),
};
