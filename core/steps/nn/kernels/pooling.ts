/** Pooling on the wasm backend, and the sum with ReLU that ends a residual block. */
import * as tf from '@tensorflow/tfjs-core';
import type { Ops } from '../ops.ts';
import {
  countOf,
  defineGradient,
  defineKernel,
  needFours,
  runKernel,
  type Shape4,
  shape4,
} from './define.ts';
import type { PoolSizes } from './exports.ts';
import { type KernelRuntime, littleWork, ranges } from './runtime.ts';

type WindowAttributes = { size: number; stride: number; pad: number };

function sizesOf([, height, width, channels]: Shape4, { size, stride, pad }: WindowAttributes): PoolSizes {
  needFours(channels);
  const outSize = (inSize: number) => Math.floor((inSize + 2 * pad - size) / stride) + 1;
  return [height, width, channels, outSize(height), outSize(width), size, stride, pad];
}

/** Registers the kernels and their gradients. Once per process. */
export function registerPooling(runtime: KernelRuntime): void {
  const address = runtime.address.bind(runtime);

  defineKernel<'x', WindowAttributes>('DvMaxPool', ({ x }, window) => {
    const [batch, , , channels] = shape4(x);
    const sizes = sizesOf(shape4(x), window);
    const y = runtime.output([batch, sizes[3], sizes[4], channels]);
    runtime.run(
      'maxPool',
      ranges(batch, runtime.threads).map(([from, to]) => [address(x), address(y), from, to, ...sizes]),
    );
    return y;
  });
  defineKernel<'x' | 'dy', WindowAttributes>('DvMaxPoolBack', ({ x, dy }, window) => {
    const sizes = sizesOf(shape4(x), window);
    const dx = runtime.output(x.shape);
    runtime.run(
      'maxPoolBack',
      ranges(shape4(x)[0], runtime.threads).map(([from, to]) => [
        address(x),
        address(dy),
        address(dx),
        from,
        to,
        ...sizes,
      ]),
    );
    return dx;
  });
  defineGradient<'x', WindowAttributes>('DvMaxPool', { inputs: ['x'] }, ([dy], [x], window) => ({
    x: () => runKernel('DvMaxPoolBack', { x: x!, dy: dy! }, window),
  }));

  defineKernel<'x'>('DvAveragePool', ({ x }) => {
    const [batch, height, width, channels] = shape4(x);
    needFours(channels);
    const y = runtime.output([batch, channels]);
    runtime.kernels.averagePool(address(x), address(y), batch, height * width, channels);
    return y;
  });
  defineKernel<'dy', { height: number; width: number }>('DvAveragePoolBack', ({ dy }, { height, width }) => {
    const [batch, channels] = dy.shape as [number, number];
    const dx = runtime.output([batch, height, width, channels]);
    runtime.kernels.averagePoolBack(address(dy), address(dx), batch, height * width, channels);
    return dx;
  });
  defineGradient<'x'>('DvAveragePool', { inputs: ['x'] }, ([dy], [x]) => {
    const [, height, width] = shape4(x!);
    return { x: () => runKernel('DvAveragePoolBack', { dy: dy! }, { height, width }) };
  });

  defineKernel<'a' | 'b'>('DvAddRelu', ({ a, b }) => {
    const out = runtime.output(a.shape);
    runtime.run(
      'addRelu',
      ranges(countOf(a.shape), runtime.threads, littleWork).map(([from, to]) => [
        address(a),
        address(b),
        address(out),
        from,
        to,
      ]),
    );
    return out;
  });
  defineKernel<'dy' | 'y'>('DvReluBack', ({ dy, y }) => {
    const out = runtime.output(y.shape);
    runtime.run(
      'reluBack',
      ranges(countOf(y.shape), runtime.threads, littleWork).map(([from, to]) => [
        address(dy),
        address(y),
        address(out),
        from,
        to,
      ]),
    );
    return out;
  });
  defineGradient('DvAddRelu', { inputs: [], outputs: [true] }, ([dy], [y]) => {
    const masked = runKernel<tf.Tensor>('DvReluBack', { dy: dy!, y: y! });
    // The tape disposes what it adds up: each input gets a tensor of its own, over the same numbers.
    return { a: () => masked, b: () => tf.clone(masked) };
  });
}

/** The operations on the registered kernels; see `Ops` for what they do. */
export const poolingOps: Pick<Ops, 'maxPool' | 'averagePool' | 'addRelu'> = {
  maxPool: (x, { size, stride, pad }) => runKernel<tf.Tensor4D>('DvMaxPool', { x }, { size, stride, pad }),
  averagePool: (x) => runKernel<tf.Tensor2D>('DvAveragePool', { x }),
  addRelu: (a, b) => runKernel<tf.Tensor4D>('DvAddRelu', { a, b }),
};
