/** Convolution on the wasm backend. */
import type { Tensor4D, TensorInfo } from '@tensorflow/tfjs-core';
import type { Ops } from '../ops.ts';
import { defineGradient, defineKernel, runKernel, type Shape4, shape4 } from './define.ts';
import type { ConvolutionSizes } from './exports.ts';
import { type KernelRuntime, ranges } from './runtime.ts';

type WindowAttributes = { size: number; stride: number; pad: number };

/** Memory is cut at multiples of 16 bytes. */
const aligned = (bytes: number) => (bytes + 15) & ~15;

/** What a convolution's three kernels are told about their sizes. */
function sizesOf(images: Shape4, filters: number, { size, stride, pad }: WindowAttributes): ConvolutionSizes {
  const [, height, width, channels] = images;
  const outSize = (inSize: number) => Math.floor((inSize + 2 * pad - size) / stride) + 1;
  return [height, width, channels, outSize(height), outSize(width), filters, size, stride, pad];
}

/** The three kernels on tensors of any shape that holds as many numbers. */
export function convolutionKernels(runtime: KernelRuntime) {
  const { kernels } = runtime;

  /** Scratch for one packed kernel and for each of the parts. */
  function scratchFor(packedBytes: number, partBytes: number, parts: number) {
    const part = aligned(partBytes);
    const base = runtime.scratch(aligned(packedBytes) + part * parts);
    return { packed: base, part: (index: number) => base + aligned(packedBytes) + part * index };
  }

  function convolve(
    x: TensorInfo,
    kernel: TensorInfo,
    y: TensorInfo,
    batch: number,
    sizes: ConvolutionSizes,
  ) {
    const [, , channels, outHeight, outWidth, filters, size] = sizes;
    const depth = size * size * channels;
    const parts = ranges(batch * outHeight * outWidth, runtime.threads, 4);
    const scratch = scratchFor(
      kernels.packedKernelBytes(depth, filters),
      kernels.convolveScratchBytes(channels, size),
      parts.length,
    );
    kernels.packKernel(runtime.address(kernel), scratch.packed, depth, filters);
    runtime.run(
      'convolve',
      parts.map(([from, to], index) => [
        runtime.address(x),
        scratch.packed,
        runtime.address(y),
        scratch.part(index),
        from,
        to,
        ...sizes,
      ]),
    );
  }

  function backInput(
    dy: TensorInfo,
    kernel: TensorInfo,
    dx: TensorInfo,
    batch: number,
    sizes: ConvolutionSizes,
  ) {
    const [, , channels, , , filters, size] = sizes;
    const depth = size * size * channels;
    const parts = ranges(batch, runtime.threads);
    const scratch = scratchFor(
      kernels.packedKernelBytes(filters, depth),
      kernels.convolveScratchBytes(channels, size),
      parts.length,
    );
    kernels.packKernelTransposed(runtime.address(kernel), scratch.packed, depth, filters);
    runtime.run(
      'convolveBackInput',
      parts.map(([from, to], index) => [
        runtime.address(dy),
        scratch.packed,
        runtime.address(dx),
        scratch.part(index),
        from,
        to,
        ...sizes,
      ]),
    );
  }

  function backKernel(x: TensorInfo, dy: TensorInfo, dk: TensorInfo, batch: number, sizes: ConvolutionSizes) {
    const [, , channels, outHeight, outWidth, filters, size] = sizes;
    const depth = size * size * channels;
    const parts = ranges(depth, runtime.threads, 4);
    const widest = Math.max(...parts.map(([from, to]) => to - from));
    const scratch = scratchFor(0, kernels.convolveBackKernelScratchBytes(widest, filters), parts.length);
    runtime.run(
      'convolveBackKernel',
      parts.map(([from, to], index) => [
        runtime.address(x),
        runtime.address(dy),
        runtime.address(dk),
        scratch.part(index),
        from,
        to,
        batch * outHeight * outWidth,
        ...sizes,
      ]),
    );
  }

  return { convolve, backInput, backKernel };
}

/** Registers the kernels and their gradients. Once per process. */
export function registerConvolution(runtime: KernelRuntime): void {
  const { convolve, backInput, backKernel } = convolutionKernels(runtime);

  defineKernel<'x' | 'kernel', WindowAttributes>('DvConvolve', ({ x, kernel }, window) => {
    const [batch] = shape4(x);
    const [, , channels, filters] = shape4(kernel);
    if (channels !== shape4(x)[3])
      throw new Error(`kernel for ${channels} channels, image of ${shape4(x)[3]}`);
    const sizes = sizesOf(shape4(x), filters, window);
    const y = runtime.output([batch, sizes[3], sizes[4], filters]);
    convolve(x, kernel, y, batch, sizes);
    return y;
  });
  defineKernel<'dy' | 'kernel', WindowAttributes & { height: number; width: number }>(
    'DvConvolveBackInput',
    ({ dy, kernel }, { height, width, ...window }) => {
      const [batch] = shape4(dy);
      const [, , channels, filters] = shape4(kernel);
      const dx = runtime.output([batch, height, width, channels]);
      backInput(dy, kernel, dx, batch, sizesOf([batch, height, width, channels], filters, window));
      return dx;
    },
  );
  defineKernel<'x' | 'dy', WindowAttributes>('DvConvolveBackKernel', ({ x, dy }, window) => {
    const [batch, , , channels] = shape4(x);
    const [, , , filters] = shape4(dy);
    const dk = runtime.output([window.size, window.size, channels, filters]);
    backKernel(x, dy, dk, batch, sizesOf(shape4(x), filters, window));
    return dk;
  });
  defineGradient<'x' | 'kernel', WindowAttributes>(
    'DvConvolve',
    { inputs: ['x', 'kernel'] },
    ([dy], [x, kernel], window) => {
      const [, height, width] = shape4(x!);
      return {
        x: () => runKernel('DvConvolveBackInput', { dy: dy!, kernel: kernel! }, { ...window, height, width }),
        kernel: () => runKernel('DvConvolveBackKernel', { x: x!, dy: dy! }, window),
      };
    },
  );
}

/** The operation on the registered kernels; see `Ops` for what it does. */
export const convolutionOps: Pick<Ops, 'convolve'> = {
  convolve: (x, kernel, { size, stride, pad }) =>
    runKernel<Tensor4D>('DvConvolve', { x, kernel }, { size, stride, pad }),
};
