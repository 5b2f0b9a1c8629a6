/** A trained model on disk: `model.json` says what it is, `weights.safetensors` holds its numbers. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { StepError } from '../../model/step.ts';
import { type Architecture, parameters, resnet50 } from './resnet50.ts';
import { decodeSafetensors, encodeSafetensors } from './safetensors.ts';
import type { Weights } from './weights.ts';

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const figure = v.number();
const positive = v.pipe(figure, v.gtValue(0));

const schema = v.object({
  format: v.literal('dv-model'),
  version: v.literal(1),
  architecture: v.literal('resnet50'),
  /** Keras name of the last layer before the pooling. */
  until: v.string(),
  /** Names of the classes in label order. */
  classes: v.pipe(v.array(v.string()), v.minLength(1)),
  /** What an image goes through: resized to size, RGB, (pixel − mean) / deviation. */
  preprocessing: v.object({
    size: v.pipe(v.tuple([whole, whole]), v.readonly()),
    mean: v.pipe(v.tuple([figure, figure, figure]), v.readonly()),
    deviation: v.pipe(v.tuple([positive, positive, positive]), v.readonly()),
  }),
  /** How it was trained. */
  training: v.object({
    images: whole,
    validationImages: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
    epochs: whole,
    batch: whole,
    learningRate: figure,
    optimizer: v.literal('adam'),
    backend: v.picklist(['wasm', 'cpu']),
    seed: v.number(),
  }),
  /** The epoch whose weights were kept. */
  best: v.object({
    epoch: whole,
    validation: v.optional(v.object({ loss: figure, accuracy: figure })),
  }),
});

/** The contents of `model.json`, without its format. */
export type ModelDescription = Omit<v.InferOutput<typeof schema>, 'format' | 'version'>;

const modelFile = 'model.json';
const weightsFile = 'weights.safetensors';
/** Names of the files of a model. */
export const modelFiles: readonly string[] = [modelFile, weightsFile];

/** Writes a model into a folder that exists; `model.json` last. */
export async function writeModel(folder: string, model: ModelDescription, weights: Weights): Promise<void> {
  const arrays = parameters(resnet50(model.classes.length, model.until)).map(({ name, shape }) => {
    const values = weights.get(name);
    if (!values) throw new Error(`no weights for ${name}`);
    return { name, shape, values };
  });
  await writeFile(join(folder, weightsFile), encodeSafetensors(arrays));
  const description = { format: 'dv-model', version: 1, ...model };
  await writeFile(join(folder, modelFile), `${JSON.stringify(description, null, 2)}\n`);
}

/** A model read from disk. */
export interface StoredModel {
  readonly description: ModelDescription;
  readonly architecture: Architecture;
  readonly weights: Weights;
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      throw new StepError(`${path} does not exist`, 'models are written by the step train');
    throw error;
  }
}

/**
 * Reads a model written by `writeModel`.
 * @throws {StepError} when a file is missing, damaged, or does not fit the other.
 */
export async function readModel(folder: string): Promise<StoredModel> {
  const path = join(folder, modelFile);
  const text = (await read(path)).toString('utf8');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new StepError(`${path} is not JSON`, 'run the stage that wrote it again');
  }
  const parsed = v.safeParse(schema, json);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new StepError(`${path}: ${v.getDotPath(issue) ?? 'model'}: ${issue.message}`);
  }
  const { format: _, version: __, ...description } = parsed.output;
  const architecture = resnet50(description.classes.length, description.until);

  const weightsPath = join(folder, weightsFile);
  const arrays = new Map(decodeSafetensors(await read(weightsPath), weightsPath).map((a) => [a.name, a]));
  const weights = new Map<string, Float32Array>();
  for (const { name, shape } of parameters(architecture)) {
    const array = arrays.get(name);
    if (!array) throw new StepError(`${weightsPath} lacks ${name}, which ${path} needs`);
    if (array.shape.join() !== shape.join())
      throw new StepError(`${weightsPath}: ${name} is [${array.shape}], but ${path} needs [${shape}]`);
    if (!array.values.every(Number.isFinite))
      throw new StepError(`${weightsPath}: ${name} holds values that are not numbers`);
    weights.set(name, array.values);
  }
  return { description, architecture, weights };
}
