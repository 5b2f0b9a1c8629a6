import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { openCompute } from '../../../../core/steps/nn/compute.ts';
import { ranges } from '../../../../core/steps/nn/kernels/runtime.ts';
import { Network } from '../../../../core/steps/nn/network.ts';
import { resnet50 } from '../../../../core/steps/nn/resnet50.ts';
import { initialWeights } from '../../../../core/steps/nn/weights.ts';
import { patternNames, patterns, writeRecords } from '../records-support.ts';
import { noise } from './support.ts';

/** A digest of the weights after two steps and of the statistics measured then. */
async function trainOn(threads: number): Promise<string> {
  const compute = await openCompute('wasm', threads);
  const architecture = resnet50(3, 'conv3_block1_out');
  using network = new Network(architecture, initialWeights(architecture, 1), compute);
  using optimizer = compute.adam(network.trained, { beta1: 0.9, beta2: 0.999, epsilon: 1e-7 });
  for (let step = 0; step < 2; step++)
    tf.tidy(() => {
      const images = noise<tf.Tensor4D>([5, 35, 33, 3], `images ${step}`);
      const { gradients, probabilities } = network.gradients({
        images,
        labels: tf.tensor1d([0, 1, 2, 0, 1], 'int32'),
      });
      optimizer.apply(gradients, 1e-3);
      probabilities.dispose();
    });
  network.measureStatistics([noise([5, 35, 33, 3], 'images 0')]);
  const hash = createHash('sha256');
  for (const values of network.weights().values()) hash.update(new Uint8Array(values.buffer));
  return hash.digest('hex');
}

test('results are the same on any number of threads, bit for bit', async () => {
  // The first call decides how many threads there are; later ones use fewer of them.
  const onThree = await trainOn(3);
  expect(await trainOn(2)).toBe(onThree);
  expect(await trainOn(1)).toBe(onThree);
});

test('a training run gives the same files with and without threads', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'dv-threads-'));
  try {
    await writeRecords(join(directory, 'records'), patternNames, patterns(11, 'training'));
    const train = new URL('../../../../dist/core/steps/train.js', import.meta.url).href;
    const script = `
      import { run } from '${train}';
      const [directory, threads] = process.argv.slice(1);
      const args = { data: 'records', validationShare: 0.2, out: 'model-' + threads, model: 'resnet50',
        until: 'conv2_block1_out', size: [32, 32], epochs: 2, batch: 8, learningRate: 1e-3, optimizer: 'adam',
        backend: 'auto', seed: 1 };
      const signal = new AbortController().signal;
      await run(args, { directory, signal, threads: Number(threads), log() {} });
    `;
    for (const threads of ['1', '2'])
      await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, directory, threads]);
    for (const file of ['model.json', 'weights.safetensors', 'history.csv']) {
      const [one, two] = await Promise.all(
        ['model-1', 'model-2'].map((folder) => readFile(join(directory, folder, file))),
      );
      expect(two!.equals(one!), file).toBe(true);
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test('work is cut into parts without gaps, at multiples of a unit', () => {
  expect(ranges(10, 3)).toEqual([
    [0, 3],
    [3, 6],
    [6, 10],
  ]);
  expect(ranges(64, 3, 4)).toEqual([
    [0, 20],
    [20, 40],
    [40, 64],
  ]);
  expect(ranges(5, 4, 4)).toEqual([
    [0, 4],
    [4, 5],
  ]);
  expect(ranges(3, 4, 4)).toEqual([[0, 3]]);
});
