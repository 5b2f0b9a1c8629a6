import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import * as v from 'valibot';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type StepContext, StepError } from '../../../core/model/step.ts';
import { steps } from '../../../core/model/steps.ts';
import { readModel } from '../../../core/steps/nn/model-file.ts';
import { run } from '../../../core/steps/train.ts';
import { patternNames, patterns, writeRecords } from './records-support.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'dv-train-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const lines: string[] = [];
function context(changes: Partial<StepContext> = {}): StepContext {
  lines.length = 0;
  return {
    directory,
    signal: new AbortController().signal,
    threads: 1,
    log: (line) => lines.push(line),
    ...changes,
  };
}

const args = (changes: object) =>
  v.parse(steps.train.schema, {
    data: 'records',
    out: 'model',
    until: 'conv2_block1_out',
    batch: 16,
    epochs: 1,
    ...changes,
  });

const file = (name: string) => readFile(join(directory, name), 'utf8');

async function digests(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(join(directory, folder))).sort();
  const hashed = names.map(async (name) => {
    const bytes = await readFile(join(directory, folder, name));
    return [name, createHash('sha256').update(bytes).digest('hex')] as const;
  });
  return Object.fromEntries(await Promise.all(hashed));
}

describe('a training run', () => {
  test('learns to tell patterns apart and keeps the best epoch', async () => {
    await writeRecords(join(directory, 'records'), patternNames, patterns(40, 'training'));
    await run(args({ epochs: 4, validationShare: 0.2 }), context());

    const [header, ...epochs] = (await file('model/history.csv')).trimEnd().split('\r\n');
    expect(header).toBe('epoch,loss,accuracy,val_loss,val_accuracy,learning_rate');
    expect(epochs).toHaveLength(4);
    const table = epochs.map((line) => line.split(',').map(Number));
    expect(table.map(([epoch]) => epoch)).toEqual([1, 2, 3, 4]);
    const best = Math.max(...table.map((row) => row[4]!));
    expect(best).toBeGreaterThan(0.9);

    const { description, architecture, weights } = await readModel(join(directory, 'model'));
    expect(architecture.until).toBe('conv2_block1_out');
    expect(description.classes).toEqual(patternNames);
    expect(description.training).toMatchObject({
      images: 96,
      validationImages: 24,
      seed: 1,
      backend: 'wasm',
    });
    // The first of the epochs with the best accuracy and, among those, the lowest loss.
    const candidates = table.filter((row) => row[4] === best).sort((a, b) => a[3]! - b[3]!);
    expect(description.best.epoch).toBe(candidates[0]![0]);
    expect(weights.get('conv1_conv/kernel')).toHaveLength(7 * 7 * 3 * 64);
    expect(lines.filter((line) => /^epoch \d\/4: loss .* images\/s$/.test(line))).toHaveLength(4);
  });

  test('gives the same bytes again, and others with another seed', async () => {
    await writeRecords(join(directory, 'records'), patternNames, patterns(8, 'training'));
    await run(args({ epochs: 2 }), context());
    await run(args({ epochs: 2, out: 'again' }), context());
    await run(args({ epochs: 2, out: 'other', seed: 2 }), context());
    expect(await digests('again')).toEqual(await digests('model'));
    expect((await digests('other'))['weights.safetensors']).not.toBe(
      (await digests('model'))['weights.safetensors'],
    );
  });

  test('takes a folder to validate on, and encoded images of any size, colour and transparency', async () => {
    const raw = patterns(4, 'training', 40);
    const encoded = await Promise.all(
      raw.map(async (example, index) => {
        const image = sharp(example.image, { raw: { width: 40, height: 40, channels: 3 } });
        if (index % 4 === 0)
          return {
            ...example,
            format: 'jpeg' as const,
            image: new Uint8Array(await image.jpeg().toBuffer()),
          };
        const variant = index % 4 === 1 ? image.greyscale() : index % 4 === 2 ? image.ensureAlpha() : image;
        return { ...example, format: 'png' as const, image: new Uint8Array(await variant.png().toBuffer()) };
      }),
    );
    await writeRecords(join(directory, 'records'), patternNames, encoded);
    await writeRecords(join(directory, 'validation'), patternNames, patterns(2, 'validation'));
    await run(args({ validation: 'validation', size: [33, 35] }), context());
    const { description } = await readModel(join(directory, 'model'));
    expect(description.training).toMatchObject({ images: 12, validationImages: 6 });
    expect(description.preprocessing.size).toEqual([33, 35]);
  });

  test('without validation keeps the last epoch', async () => {
    await writeRecords(join(directory, 'records'), patternNames, patterns(3, 'training'));
    await run(args({ epochs: 2, validationShare: 0 }), context());
    expect((await file('model/history.csv')).trimEnd().split('\r\n').at(-1)).toMatch(
      /^2,\d\.\d{6},[01]\.\d{6},,,0\.001$/,
    );
    expect((await readModel(join(directory, 'model'))).description.best).toEqual({ epoch: 2 });
  });

  test('ends between steps when it is stopped', async () => {
    await writeRecords(join(directory, 'records'), patternNames, patterns(16, 'training'));
    const stop = new AbortController();
    const log = (line: string) => line.startsWith('epoch 1') && stop.abort();
    await expect(run(args({ epochs: 50 }), context({ signal: stop.signal, log }))).rejects.toThrow(/abort/i);
    expect(await readdir(directory)).not.toContain('model');
  });
});

describe('bad input is refused by name', () => {
  const refused = async (changes: object) => {
    const failure = await run(args(changes), context()).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StepError);
    return failure as StepError;
  };

  test('a layer that is not there', async () => {
    const error = await refused({ until: 'conv9_block1_out' });
    expect(error.message).toBe('resnet50 cannot be cut at conv9_block1_out');
    expect(error.hint).toContain('conv5_block3_out');
  });

  test('images too small for the network', async () => {
    expect((await refused({ size: [32, 16] })).message).toBe(
      'size is 32 × 16; resnet50 needs 32 × 32 at least',
    );
  });

  test('a missing folder', async () => {
    expect((await refused({})).message).toContain('records');
  });

  test('a class without images', async () => {
    await writeRecords(join(directory, 'records'), [...patternNames, 'dots'], patterns(2, 'training'));
    expect((await refused({})).message).toBe('records has no images of dots');
  });

  test('a label without a class', async () => {
    await writeRecords(join(directory, 'records'), ['across', 'down'], patterns(2, 'training'));
    expect((await refused({})).message).toMatch(
      /record 2 \(squares\/2\.png\) has label 2, but there are 2 classes/,
    );
  });

  test('an image that is none', async () => {
    const [first, ...rest] = patterns(2, 'training');
    const broken = { ...first!, format: 'png' as const, image: Uint8Array.from([1, 2, 3]) };
    await writeRecords(join(directory, 'records'), patternNames, [broken, ...rest]);
    expect((await refused({})).message).toMatch(/record 0 \(across\/0\.png\) cannot be read: /);
  });

  test('a validation folder of other classes', async () => {
    await writeRecords(join(directory, 'records'), patternNames, patterns(2, 'training'));
    await writeRecords(join(directory, 'validation'), ['across', 'down', 'dots'], patterns(2, 'validation'));
    expect((await refused({ validation: 'validation' })).message).toBe(
      'validation has other classes than records: without squares and with dots',
    );
  });

  test('a learning rate that makes training diverge', async () => {
    await writeRecords(join(directory, 'records'), patternNames, patterns(4, 'training'));
    const error = await refused({ learningRate: 1e30, batch: 2 });
    expect(error.message).toMatch(/^training diverged: the loss of epoch \d, step \d is (NaN|Infinity)$/);
    expect(error.hint).toBe('lower learningRate');
    // The only step's loss is that before its weights change.
    const one = await refused({ learningRate: 1e38, validationShare: 0 });
    expect(one.message).toMatch(/^training diverged: .* is not a number after epoch 1$/);
  });

  test('damaged weights', async () => {
    await writeRecords(join(directory, 'records'), patternNames, patterns(2, 'training'));
    await run(args({}), context());
    const path = join(directory, 'model', 'weights.safetensors');
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, -8));
    await expect(readModel(join(directory, 'model'))).rejects.toThrow(
      'weights.safetensors: ends within predictions/bias',
    );
    bytes.writeFloatLE(Number.NaN, bytes.length - 4);
    await writeFile(path, bytes);
    await expect(readModel(join(directory, 'model'))).rejects.toThrow(
      'predictions/bias holds values that are not numbers',
    );
  });
});
