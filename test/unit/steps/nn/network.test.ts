import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { openCompute } from '../../../../core/steps/nn/compute.ts';
import { Network } from '../../../../core/steps/nn/network.ts';
import { batchNormEpsilon, parameters, resnet50 } from '../../../../core/steps/nn/resnet50.ts';
import { initialWeights } from '../../../../core/steps/nn/weights.ts';
import { distance, noise, numbers, relativeError } from './support.ts';

const input = (batch: number, size: number) => ({
  images: noise<tf.Tensor4D>([batch, size, size, 3], 'images'),
  labels: tf.tensor1d(
    Array.from({ length: batch }, (_, i) => i % 3),
    'int32',
  ),
});

/** Loss and gradients of one batch, by parameter name. */
async function gradientsOn(backend: 'wasm' | 'cpu', until: string, batch: number, size: number) {
  const compute = await openCompute(backend, 2);
  const architecture = resnet50(3, until);
  using network = new Network(architecture, initialWeights(architecture, 1), compute);
  const { images, labels } = input(batch, size);
  const { loss, probabilities, gradients } = network.gradients({ images, labels });
  const names = parameters(architecture)
    .filter(({ trained }) => trained)
    .map(({ name }) => name);
  const result = {
    loss: loss.dataSync()[0]!,
    gradients: new Map(
      network.trained.map((variable, i) => [
        names[i]!,
        gradients[variable.name]!.dataSync<'float32'>().slice(),
      ]),
    ),
  };
  tf.dispose([images, labels, loss, probabilities, gradients]);
  return result;
}

test('loss and gradients of the network are those of TensorFlow.js alone', async () => {
  // With identity and projecting shortcuts, both strides, and sizes that are no multiples of anything.
  const cpu = await gradientsOn('cpu', 'conv3_block1_out', 2, 33);
  const wasm = await gradientsOn('wasm', 'conv3_block1_out', 2, 33);
  expect(wasm.loss).toBeCloseTo(cpu.loss, 4);
  expect(wasm.gradients.size).toBe(cpu.gradients.size);
  // Rounding alone; a ReLU that falls to the other side of 0 because of it would give up to 0.005.
  for (const [name, expected] of cpu.gradients)
    expect(distance(wasm.gradients.get(name)!, expected), name).toBeLessThan(1e-4);
});

test('a training step leaves no tensors behind', async () => {
  const compute = await openCompute('wasm', 2);
  const architecture = resnet50(3, 'conv2_block1_out');
  using network = new Network(architecture, initialWeights(architecture, 1), compute);
  using optimizer = compute.adam(network.trained, { beta1: 0.9, beta2: 0.999, epsilon: 1e-7 });
  const step = () =>
    tf.tidy(() => {
      const { gradients, probabilities } = network.gradients(input(2, 32));
      optimizer.apply(gradients, 1e-3);
      probabilities.dispose();
    });
  step();
  const before = tf.memory().numTensors;
  step();
  step();
  expect(tf.memory().numTensors).toBe(before);
});

describe('statistics of batch normalisation', () => {
  test('are those of all images together in the first layer, bias included', async () => {
    const compute = await openCompute('wasm', 2);
    const architecture = resnet50(3, 'conv2_block1_out');
    const weights = new Map(initialWeights(architecture, 1));
    const bias = numbers([64], 'bias');
    weights.set('conv1_conv/bias', bias);
    using network = new Network(architecture, weights, compute);
    const images = noise<tf.Tensor4D>([7, 32, 32, 3], 'images');
    network.measureStatistics([
      tf.slice4d(images, [0, 0, 0, 0], [4, 32, 32, 3]),
      tf.slice4d(images, [4, 0, 0, 0], [3, 32, 32, 3]),
    ]);

    const kernel = tf.tensor4d(weights.get('conv1_conv/kernel')!, [7, 7, 3, 64]);
    const moments = tf.tidy(() => {
      const x = compute.ops.convolve(images, kernel, { size: 7, stride: 2, pad: 3 });
      const { mean, variance } = compute.ops.batchNorm(x, tf.ones([64]), tf.zeros([64]), {
        epsilon: batchNormEpsilon,
        relu: false,
      });
      return {
        mean: mean.dataSync<'float32'>().map((m, i) => m + bias[i]!),
        variance: variance.dataSync<'float32'>(),
      };
    });
    const measured = network.weights();
    expect(relativeError(measured.get('conv1_bn/moving_mean')!, moments.mean)).toBeLessThan(1e-5);
    expect(relativeError(measured.get('conv1_bn/moving_variance')!, moments.variance)).toBeLessThan(1e-5);
    tf.dispose([images, kernel]);
  });

  test('make use and training agree on a batch they were measured on', async () => {
    for (const backend of ['wasm', 'cpu'] as const) {
      const compute = await openCompute(backend, 2);
      const architecture = resnet50(3, 'conv2_block1_out');
      using network = new Network(architecture, initialWeights(architecture, 1), compute);
      const { images, labels } = input(2, 32);
      network.measureStatistics([tf.clone(images)]);
      using inference = network.infer();
      const logits = inference.score(images);
      const used = network.loss(logits, labels);
      const trained = network.gradients({ images, labels });
      expect(used.loss.dataSync()[0]).toBeCloseTo(trained.loss.dataSync()[0]!, 4);
      expect(
        relativeError(
          used.probabilities.dataSync<'float32'>().slice(),
          trained.probabilities.dataSync<'float32'>().slice(),
        ),
      ).toBeLessThan(1e-4);
      tf.dispose([
        images,
        labels,
        logits,
        used.loss,
        used.probabilities,
        trained.loss,
        trained.probabilities,
        trained.gradients,
      ]);
    }
  });
});
