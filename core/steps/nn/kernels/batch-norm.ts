/** Batch normalisation on the wasm backend. */
import type { Tensor1D, Tensor4D } from '@tensorflow/tfjs-core';
import type { BatchNormOptions, Ops } from '../ops.ts';
import { countOf, defineGradient, defineKernel, needFours, runKernel, runKernels, shape4 } from './define.ts';
import { type KernelRuntime, ranges } from './runtime.ts';

type BatchNormAttributes = { epsilon: number; relu: boolean };

/** Registers the kernels and their gradients. Once per process. */
export function registerBatchNorm(runtime: KernelRuntime): void {
  const address = runtime.address.bind(runtime);

  defineKernel<'x' | 'gamma' | 'beta', BatchNormAttributes>(
    'DvBatchNorm',
    ({ x, gamma, beta }, { epsilon, relu }) => {
      const [, , , channels] = shape4(x);
      needFours(channels);
      const rows = countOf(x.shape) / channels;
      const y = runtime.output(x.shape);
      const mean = runtime.output([channels]);
      const variance = runtime.output([channels]);
      const scratch = runtime.scratch(2 * channels * 4);
      runtime.run(
        'batchNorm',
        ranges(channels, runtime.threads, 4).map(([from, to]) => [
          address(x),
          address(gamma),
          address(beta),
          address(y),
          address(mean),
          address(variance),
          scratch,
          rows,
          channels,
          from,
          to,
          epsilon,
          Number(relu),
        ]),
      );
      return [y, mean, variance];
    },
  );
  defineKernel<'dy' | 'x' | 'y' | 'gamma' | 'mean' | 'variance', BatchNormAttributes>(
    'DvBatchNormBack',
    ({ dy, x, y, gamma, mean, variance }, { epsilon, relu }) => {
      const [, , , channels] = shape4(x);
      const rows = countOf(x.shape) / channels;
      const dx = runtime.output(x.shape);
      const dgamma = runtime.output([channels]);
      const dbeta = runtime.output([channels]);
      const scratch = runtime.scratch(3 * channels * 4);
      runtime.run(
        'batchNormBack',
        ranges(channels, runtime.threads, 4).map(([from, to]) => [
          address(dy),
          address(x),
          address(y),
          address(gamma),
          address(mean),
          address(variance),
          address(dx),
          address(dgamma),
          address(dbeta),
          scratch,
          rows,
          channels,
          from,
          to,
          epsilon,
          Number(relu),
        ]),
      );
      return [dx, dgamma, dbeta];
    },
  );
  defineGradient<'x' | 'gamma', BatchNormAttributes>(
    'DvBatchNorm',
    { inputs: ['x', 'gamma'], outputs: [true, true, true] },
    ([dy], [x, gamma, y, mean, variance], attrs) => {
      // At once, not when the first of the three is asked for: its tidy would dispose the other two.
      const [dx, dgamma, dbeta] = runKernels(
        'DvBatchNormBack',
        { dy: dy!, x: x!, y: y!, gamma: gamma!, mean: mean!, variance: variance! },
        attrs,
      );
      return { x: () => dx!, gamma: () => dgamma!, beta: () => dbeta! };
    },
  );

  defineKernel<'x' | 'factor' | 'offset', { relu: boolean }>(
    'DvScaleShift',
    ({ x, factor, offset }, { relu }) => {
      const [, , , channels] = shape4(x);
      needFours(channels);
      const y = runtime.output(x.shape);
      runtime.run(
        'scaleShift',
        ranges(channels, runtime.threads, 4).map(([from, to]) => [
          address(x),
          address(factor),
          address(offset),
          address(y),
          countOf(x.shape) / channels,
          channels,
          from,
          to,
          Number(relu),
        ]),
      );
      return y;
    },
  );
}

/** The operations on the registered kernels; see `Ops` for what they do. */
export const batchNormOps: Pick<Ops, 'batchNorm' | 'scaleShift'> = {
  batchNorm(x, gamma, beta, { epsilon, relu }: BatchNormOptions) {
    const [y, mean, variance] = runKernels('DvBatchNorm', { x, gamma, beta }, { epsilon, relu });
    return { y: y as Tensor4D, mean: mean as Tensor1D, variance: variance as Tensor1D };
  },
  scaleShift: (x, factor, offset, relu) =>
    runKernel<Tensor4D>('DvScaleShift', { x, factor, offset }, { relu }),
};
