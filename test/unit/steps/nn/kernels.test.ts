import * as tf from '@tensorflow/tfjs-core';
import { afterAll, describe, expect, test } from 'vitest';
import { StepError } from '../../../../core/model/step.ts';
import { openCompute } from '../../../../core/steps/nn/compute.ts';
import type { Shape4 } from '../../../../core/steps/nn/kernels/define.ts';
import type { Ops, Window } from '../../../../core/steps/nn/ops.ts';
import { expectSame, noise, numbers, onBoth, relativeError, valueAndGradients } from './support.ts';

afterAll(() => tf.disposeVariables());

interface Convolution extends Window {
  batch: number;
  height: number;
  width: number;
  channels: number;
  filters: number;
}

// Sizes that leave the last panel of rows, columns and depth incomplete, blocks of more than one kind, and the
// shapes of ResNet50.
const convolutions: Convolution[] = [
  { batch: 1, height: 1, width: 1, channels: 1, filters: 1, size: 1, stride: 1, pad: 0 },
  { batch: 2, height: 8, width: 8, channels: 3, filters: 5, size: 3, stride: 1, pad: 1 },
  { batch: 2, height: 8, width: 5, channels: 4, filters: 6, size: 1, stride: 1, pad: 0 },
  { batch: 3, height: 7, width: 9, channels: 8, filters: 12, size: 1, stride: 2, pad: 0 },
  { batch: 2, height: 9, width: 6, channels: 5, filters: 9, size: 3, stride: 2, pad: 1 },
  { batch: 2, height: 11, width: 13, channels: 3, filters: 7, size: 7, stride: 2, pad: 3 },
  { batch: 3, height: 8, width: 8, channels: 64, filters: 64, size: 3, stride: 1, pad: 1 },
  { batch: 5, height: 8, width: 8, channels: 64, filters: 20, size: 1, stride: 1, pad: 0 },
  { batch: 3, height: 1, width: 1, channels: 300, filters: 10, size: 3, stride: 1, pad: 1 },
  { batch: 2, height: 16, width: 16, channels: 2, filters: 3, size: 3, stride: 3, pad: 2 },
];

describe('convolution', () => {
  test.each(convolutions)(
    '$batch × $height × $width × $channels, $filters filters of $size, stride $stride, pad $pad',
    async ({ batch, height, width, channels, filters, ...window }) => {
      const both = await onBoth((ops) =>
        tf.tidy(() =>
          valueAndGradients(
            (x, kernel) => ops.convolve(x as tf.Tensor4D, kernel as tf.Tensor4D, window),
            [
              noise([batch, height, width, channels], 'x'),
              noise([window.size, window.size, channels, filters], 'kernel'),
            ],
          ),
        ),
      );
      expectSame(both);
    },
  );

  test('refuses a kernel for another number of channels', async () => {
    const { ops } = await openCompute('wasm', 2);
    expect(() =>
      ops.convolve(noise([1, 4, 4, 3], 'x'), noise([1, 1, 4, 2], 'k'), { size: 1, stride: 1, pad: 0 }),
    ).toThrow('kernel for 4 channels, image of 3');
  });
});

test('more than the memory can hold is refused', async () => {
  const { ops } = await openCompute('wasm', 2);
  const window = { size: 1, stride: 1, pad: 20_000 };
  const convolve = () => ops.convolve(noise([1, 1, 1, 1], 'x'), noise([1, 1, 1, 1], 'k'), window);
  expect(convolve).toThrow(StepError);
  expect(convolve).toThrow('4 GB');
});

describe('dense layer', () => {
  test.each([
    { batch: 1, features: 3, classes: 2 },
    { batch: 7, features: 33, classes: 13 },
    { batch: 130, features: 260, classes: 10 },
  ])('$batch × $features to $classes', async ({ batch, features, classes }) => {
    const both = await onBoth((ops) =>
      tf.tidy(() =>
        valueAndGradients(
          (x, kernel, bias) => ops.dense(x as tf.Tensor2D, kernel as tf.Tensor2D, bias as tf.Tensor1D),
          [noise([batch, features], 'x'), noise([features, classes], 'kernel'), noise([classes], 'bias')],
        ),
      ),
    );
    expectSame(both);
  });
});

describe('batch normalisation', () => {
  for (const relu of [false, true]) {
    test.each<[number, number, number, number]>([
      [1, 2, 2, 4],
      [4, 8, 8, 16],
      [3, 7, 9, 12],
    ])(`of %i × %i × %i × %i, relu ${relu}`, async (...shape) => {
      const channels = shape[3]!;
      const both = await onBoth((ops) =>
        tf.tidy(() => {
          const inputs = [noise(shape, 'x'), noise([channels], 'gamma'), noise([channels], 'beta')];
          const [x, gamma, beta] = inputs as [tf.Tensor4D, tf.Tensor1D, tf.Tensor1D];
          const options = { epsilon: 1.001e-5, relu };
          const { mean, variance } = ops.batchNorm(x, gamma, beta, options);
          const value = valueAndGradients(
            (a, b, c) => ops.batchNorm(a as tf.Tensor4D, b as tf.Tensor1D, c as tf.Tensor1D, options).y,
            inputs,
          );
          return [mean, variance, ...value];
        }),
      );
      expectSame(both, 2e-5);
    });
  }

  test('keeps its precision far from zero and over many rows', async () => {
    const { ops } = await openCompute('wasm', 2);
    const shape: Shape4 = [8, 64, 64, 4];
    const values = numbers(shape, 'x').map((value) => value + 100);
    const [mean, variance] = tf.tidy(() => {
      const x = tf.tensor4d(values, shape);
      const result = ops.batchNorm(x, tf.ones([4]), tf.zeros([4]), { epsilon: 1e-5, relu: false });
      return [result.mean.dataSync(), result.variance.dataSync()];
    });
    for (let channel = 0; channel < 4; channel++) {
      const own = values.filter((_, i) => i % 4 === channel);
      const exact = own.reduce((a, b) => a + b, 0) / own.length;
      const spread = own.reduce((a, b) => a + (b - exact) ** 2, 0) / own.length;
      expect(Math.abs(mean[channel]! - exact)).toBeLessThan(2e-4);
      expect(Math.abs(variance[channel]! / spread - 1)).toBeLessThan(1e-5);
    }
  });

  test('refuses channels that are not a multiple of 4', async () => {
    const { ops } = await openCompute('wasm', 2);
    expect(() =>
      ops.batchNorm(noise([1, 2, 2, 6], 'x'), tf.ones([6]), tf.zeros([6]), { epsilon: 1e-5, relu: true }),
    ).toThrow('a multiple of 4 channels, not 6');
  });

  test('with known statistics is a factor and an offset', async () => {
    for (const relu of [false, true]) {
      const both = await onBoth((ops) =>
        tf.tidy(() => [
          ops.scaleShift(noise([2, 3, 5, 8], 'x'), noise([8], 'factor'), noise([8], 'offset'), relu),
        ]),
      );
      expectSame(both);
    }
  });
});

describe('sum with ReLU', () => {
  test.each([
    [1, 1, 1, 1],
    [2, 3, 3, 5],
    [2, 4, 4, 8],
  ])('of %i × %i × %i × %i', async (...shape) => {
    const both = await onBoth((ops) =>
      tf.tidy(() =>
        valueAndGradients(
          (a, b) => ops.addRelu(a as tf.Tensor4D, b as tf.Tensor4D),
          [noise(shape, 'a'), noise(shape, 'b')],
        ),
      ),
    );
    expectSame(both);
  });

  test('of a tensor with itself gives it both gradients', async () => {
    const both = await onBoth((ops) =>
      tf.tidy(() =>
        valueAndGradients((a) => ops.addRelu(a as tf.Tensor4D, a as tf.Tensor4D), [noise([1, 2, 2, 4], 'a')]),
      ),
    );
    expectSame(both);
  });
});

/** The definition of max pooling and its gradient, in plain loops. */
function poolByHand(
  x: Float32Array,
  dy: Float32Array,
  [batch, height, width, channels]: number[],
  window: Window,
) {
  const { size, stride, pad } = window;
  const [outHeight, outWidth] = [height!, width!].map((n) => Math.floor((n + 2 * pad - size) / stride) + 1);
  const y = new Float32Array(dy.length);
  const dx = new Float32Array(x.length);
  let out = 0;
  for (let b = 0; b < batch!; b++)
    for (let i = 0; i < outHeight!; i++)
      for (let j = 0; j < outWidth!; j++)
        for (let c = 0; c < channels!; c++, out++) {
          let best = Number.NEGATIVE_INFINITY;
          let at = -1;
          for (let v = i * stride - pad; v < i * stride - pad + size; v++)
            for (let u = j * stride - pad; u < j * stride - pad + size; u++) {
              const inside = v >= 0 && u >= 0 && v < height! && u < width!;
              const cell = inside ? ((b * height! + v) * width! + u) * channels! + c : -1;
              const value = inside ? x[cell]! : 0;
              if (value > best) [best, at] = [value, cell];
            }
          y[out] = best;
          if (at >= 0) dx[at]! += dy[out]!;
        }
  return { y, dx };
}

describe('max pooling', () => {
  const window = { size: 3, stride: 2, pad: 1 };
  const cases: { name: string; window: Window; shape: number[]; change: (value: number) => number }[] = [
    {
      name: 'values of both signs',
      window: { size: 3, stride: 2, pad: 0 },
      shape: [2, 9, 9, 4],
      change: (v) => v,
    },
    {
      name: 'no positive value',
      window: { size: 3, stride: 2, pad: 0 },
      shape: [2, 9, 7, 8],
      change: (v) => v - 2,
    },
    { name: 'padding above every value', window, shape: [2, 8, 8, 4], change: (v) => v - 2 },
    {
      name: 'ties',
      window: { size: 2, stride: 2, pad: 0 },
      shape: [2, 8, 8, 4],
      change: (v) => Math.max(0, v),
    },
    { name: 'as in ResNet50', window, shape: [2, 16, 16, 64], change: (v) => Math.max(0, v) + 1e-3 },
    {
      name: 'windows that overlap fully',
      window: { size: 3, stride: 1, pad: 1 },
      shape: [1, 5, 4, 4],
      change: (v) => v,
    },
  ];
  test.each(cases)('$name', async ({ window, shape, change }) => {
    const { ops } = await openCompute('wasm', 2);
    const x = numbers(shape, 'x').map(change);
    const [y, dx] = tf.tidy(() => {
      const results = valueAndGradients((a) => ops.maxPool(a as tf.Tensor4D, window), [tf.tensor(x, shape)]);
      return results.map((tensor) => tensor.dataSync<'float32'>()) as [Float32Array, Float32Array];
    });
    const dy = numbers([y.length], 'weights of outputs');
    const expected = poolByHand(x, dy, shape, window);
    expect(relativeError(y, expected.y)).toBe(0);
    expect(relativeError(dx, expected.dx)).toBeLessThan(1e-6);
  });
});

test('average pooling', async () => {
  for (const shape of [
    [2, 4, 4, 8],
    [3, 1, 1, 4],
    [2, 7, 5, 12],
  ]) {
    expectSame(
      await onBoth((ops) =>
        tf.tidy(() => valueAndGradients((x) => ops.averagePool(x as tf.Tensor4D), [noise(shape, 'x')])),
      ),
    );
  }
});

describe('cross-entropy', () => {
  const parts = (ops: Ops, scale: number) =>
    tf.tidy(() => {
      const labels = tf.tensor1d([2, 0, 4, 4, 1, 3], 'int32');
      const logits = tf.mul<tf.Tensor2D>(noise([6, 5], 'logits'), scale);
      const { loss, probabilities } = ops.crossEntropy(logits, labels);
      const gradient = tf.grad((x) => tf.mul(ops.crossEntropy(x as tf.Tensor2D, labels).loss, 3))(logits);
      return [loss, probabilities, gradient];
    });

  test('and its gradient', async () => {
    expectSame(await onBoth((ops) => parts(ops, 1)));
  });

  test('stays finite for scores far apart', async () => {
    const { wasm } = await onBoth((ops) => parts(ops, 500));
    expect(wasm.flatMap((values) => [...values]).every(Number.isFinite)).toBe(true);
  });
});

describe('gradients against finite differences', () => {
  /** The gradient of Σ weight · f at a few places, by the difference of two values close by. */
  function differences(f: (x: tf.Tensor4D) => tf.Tensor, x: Float32Array, shape: Shape4, places: number[]) {
    const total = (values: Float32Array) =>
      tf.tidy(() => {
        const y = f(tf.tensor4d(values, shape)).dataSync<'float32'>();
        return numbers([y.length], 'weights of outputs').reduce((sum, w, i) => sum + w * y[i]!, 0);
      });
    const step = 2 ** -7;
    return places.map((place) => {
      const up = x.slice();
      const down = x.slice();
      up[place]! += step;
      down[place]! -= step;
      return (total(up) - total(down)) / (2 * step);
    });
  }

  const shape: Shape4 = [2, 6, 6, 8];
  const places = [0, 7, 100, 255, 400, 575];
  const kernel = { size: 3, stride: 2, pad: 1 };
  test.each<[string, (ops: Ops) => (x: tf.Tensor4D) => tf.Tensor]>([
    ['convolution', (ops) => (x) => ops.convolve(x, noise([3, 3, 8, 5], 'kernel'), kernel)],
    [
      'batch normalisation',
      (ops) => (x) => ops.batchNorm(x, noise([8], 'g'), noise([8], 'b'), { epsilon: 1e-3, relu: false }).y,
    ],
    ['average pooling', (ops) => (x) => ops.averagePool(x)],
  ])('%s', async (_, make) => {
    const { ops } = await openCompute('wasm', 2);
    const x = numbers(shape, 'x');
    const f = (input: tf.Tensor) => make(ops)(input as tf.Tensor4D);
    const [, gradient] = tf.tidy(() =>
      valueAndGradients(f, [tf.tensor(x, shape)]).map((tensor) => tensor.dataSync<'float32'>()),
    );
    const expected = differences(f, x, shape, places);
    const actual = Float32Array.from(places, (place) => gradient![place]!);
    expect(relativeError(actual, Float32Array.from(expected))).toBeLessThan(2e-3);
  });
});

describe('Adam', () => {
  test('changes weights as TensorFlow.js has it', async () => {
    const settings = { beta1: 0.9, beta2: 0.999, epsilon: 1e-7 };
    const results: Float32Array[] = [];
    for (const backend of ['cpu', 'wasm'] as const) {
      const compute = await openCompute(backend, 2);
      const variable = tf.variable(noise([11], 'weights'));
      using optimizer = compute.adam([variable], settings);
      for (let step = 0; step < 5; step++) {
        const gradient = noise([11], `gradient ${step}`);
        optimizer.apply({ [variable.name]: gradient }, 1e-2);
        gradient.dispose();
      }
      results.push(variable.dataSync<'float32'>().slice());
      variable.dispose();
    }
    expect(relativeError(results[1]!, results[0]!)).toBeLessThan(1e-6);
  });

  test('first step is the learning rate against the sign of the gradient', async () => {
    const compute = await openCompute('wasm', 2);
    const variable = tf.variable(tf.zeros([5]));
    using optimizer = compute.adam([variable], { beta1: 0.9, beta2: 0.999, epsilon: 1e-7 });
    optimizer.apply({ [variable.name]: tf.tensor1d([3, -0.5, 20, -1, 2]) }, 0.25);
    const [a, b, c, d, e] = variable.dataSync();
    for (const [value, expected] of [
      [a, -0.25],
      [b, 0.25],
      [c, -0.25],
      [d, 0.25],
      [e, -0.25],
    ])
      expect(value).toBeCloseTo(expected!, 5);
    variable.dispose();
  });
});
