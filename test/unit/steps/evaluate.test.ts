import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type StepContext, StepError } from '../../../core/model/step.ts';
import { steps } from '../../../core/model/steps.ts';
import { run } from '../../../core/steps/evaluate.ts';
import { writeModel } from '../../../core/steps/nn/model-file.ts';
import { unitRange } from '../../../core/steps/nn/preprocessing.ts';
import { resnet50 } from '../../../core/steps/nn/resnet50.ts';
import { initialWeights } from '../../../core/steps/nn/weights.ts';
import { patternNames, patterns, writeRecords } from './records-support.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'dv-evaluate-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const lines: string[] = [];
const context = (): StepContext => ({
  directory,
  signal: new AbortController().signal,
  threads: 1,
  log: (line) => lines.push(line),
});
const args = (changes: object = {}) =>
  v.parse(steps.evaluate.schema, {
    model: 'model',
    data: 'records',
    out: 'evaluation',
    metrics: 'metrics/scores.json',
    batch: 4,
    ...changes,
  });
const file = (name: string) => readFile(join(directory, name), 'utf8');

/** A model that gives every image the probabilities 0.2, 0.5, 0.3: its last layer has no weights but biases. */
async function writeConstantModel(classes: readonly string[]): Promise<void> {
  const architecture = resnet50(classes.length, 'conv2_block1_out');
  const weights = new Map(initialWeights(architecture, 1));
  weights.set('predictions/kernel', new Float32Array(256 * classes.length));
  weights.set('predictions/bias', Float32Array.from([0.2, 0.5, 0.3], Math.log));
  await mkdir(join(directory, 'model'));
  await writeModel(
    join(directory, 'model'),
    {
      architecture: 'resnet50',
      until: architecture.until,
      classes: [...classes],
      preprocessing: unitRange([32, 32]),
      training: {
        images: 1,
        validationImages: 0,
        epochs: 1,
        batch: 1,
        learningRate: 1,
        optimizer: 'adam',
        backend: 'wasm',
        seed: 1,
      },
      best: { epoch: 1 },
    },
    weights,
  );
}

test('figures, confusion and predictions of a model whose answers are known', async () => {
  await writeConstantModel(patternNames);
  // 3 across, 2 down, 1 squares; "down" is predicted for all six.
  const all = patterns(3, 'test');
  const chosen = [0, 1, 2, 3, 4, 6].map((index) => all[index]!);
  await writeRecords(join(directory, 'records'), patternNames, chosen);
  await run(args(), context());

  const loss = -(3 * Math.log(0.2) + 2 * Math.log(0.5) + Math.log(0.3)) / 6;
  expect(JSON.parse(await file('metrics/scores.json'))).toEqual({
    accuracy: 0.333333,
    loss: Number(loss.toFixed(6)),
    // precision of "down" 2/6, recall 1, F1 4/8; the others 0.
    f1: { macro: 0.166667 },
    precision: { macro: 0.111111 },
    recall: { macro: 0.333333 },
    class: {
      across: { f1: 0, precision: 0, recall: 0, support: 3 },
      down: { f1: 0.5, precision: 0.333333, recall: 1, support: 2 },
      squares: { f1: 0, precision: 0, recall: 0, support: 1 },
    },
  });
  expect(await file('evaluation/confusion.csv')).toBe(
    'label,across,down,squares\r\nacross,0,3,0\r\ndown,0,2,0\r\nsquares,0,1,0\r\n',
  );
  const predictions = (await file('evaluation/predictions.csv')).split('\r\n');
  expect(predictions[0]).toBe(
    'name,label,predicted,confidence,probability.across,probability.down,probability.squares',
  );
  expect(predictions[1]).toBe('across/0.png,across,down,0.500000,0.200000,0.500000,0.300000');
  expect(predictions).toHaveLength(8);
  expect(lines.at(-1)).toBe('6 images: accuracy 33.3 %, macro F1 16.7 %, loss 1.236');
});

test('the same bytes for any batch', async () => {
  await writeConstantModel(patternNames);
  await writeRecords(join(directory, 'records'), patternNames, patterns(3, 'test'));
  await run(args(), context());
  await run(args({ out: 'again', metrics: 'again.json', batch: 9 }), context());
  expect(await file('again/predictions.csv')).toBe(await file('evaluation/predictions.csv'));
  expect(await file('again.json')).toBe(await file('metrics/scores.json'));
});

test('class names with commas and quotes are quoted', async () => {
  const names = ['a, b', 'say "x"', 'plain'];
  await writeConstantModel(names);
  await writeRecords(join(directory, 'records'), names, patterns(1, 'test'));
  await run(args(), context());
  expect(await file('evaluation/confusion.csv')).toBe(
    'label,"a, b","say ""x""",plain\r\n"a, b",0,1,0\r\n"say ""x""",0,1,0\r\nplain,0,1,0\r\n',
  );
});

test.each([
  [['across', 'squares', 'down'], 'in another order: across, squares, down'],
  [['across', 'down', 'dots'], 'without squares and with dots'],
])('records of the classes %j are refused', async (classes, difference) => {
  await writeConstantModel(patternNames);
  await writeRecords(join(directory, 'records'), classes, patterns(1, 'test'));
  const failure = await run(args(), context()).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(StepError);
  expect((failure as StepError).message).toBe(
    `records has other classes than the model model: ${difference}`,
  );
});

test('a missing model is named', async () => {
  await expect(run(args(), context())).rejects.toThrow(/model\.json does not exist$/);
});
