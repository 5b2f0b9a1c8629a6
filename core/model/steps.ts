/** The built-in steps, by name: what each takes, reads and writes. Programs are in core/steps. */
import * as v from 'valibot';
import type { StepDeclaration } from './step.ts';

const path = v.pipe(v.string(), v.nonEmpty('expected a path'));
const seed = v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)), 1);
const positive = v.pipe(v.number(), v.safeInteger(), v.minValue(1));

function declare<Schema extends v.GenericSchema>(declaration: StepDeclaration<Schema>) {
  return declaration;
}

/** `convert`: folder-per-class images → TFRecord of tf.train.Example, and a classes file. */
export const convert = declare({
  name: 'convert',
  version: 1,
  summary: 'writes the images of a folder with one subfolder per class as TFRecord files',
  schema: v.strictObject({
    /** Folder with one subfolder per class. */
    from: path,
    /** Folder to write `*.tfrecord` and `classes.txt` to. */
    to: path,
    /** Names of the classes in label order; by default the subfolders, sorted. */
    classes: v.optional(v.array(path)),
    /** Resize to this height and width; by default images keep their size. */
    size: v.optional(v.tuple([positive, positive])),
    /** Greyscale or colour; by default as the file is. */
    channels: v.optional(v.picklist([1, 3])),
    /** How many record files. */
    shards: v.optional(positive, 1),
    /** What to do with a file that cannot be read as an image. */
    unreadable: v.optional(v.picklist(['fail', 'skip']), 'fail'),
  }),
  deps: (args) => [args.from],
  outs: (args) => [args.to],
  metrics: () => [],
});

/** `extract`: the way back from records to a folder per class. */
export const extract = declare({
  name: 'extract',
  version: 1,
  summary: 'writes the images of TFRecord files back as a folder with one subfolder per class',
  schema: v.strictObject({
    /** Folder of records written by `convert`. */
    from: path,
    /** Folder to write to, with a subfolder per class and `lineage.csv`. */
    to: path,
  }),
  deps: (args) => [args.from],
  outs: (args) => [args.to],
  metrics: () => [],
});

/** `augment`: more images from images, balanced per class, under a cap. */
export const augment = declare({
  name: 'augment',
  version: 1,
  summary: 'copies a folder of images and adds rotated, zoomed, cropped, brightened variants of them',
  schema: v.strictObject({
    /** Folder with one subfolder per class. */
    from: path,
    /** Folder to write to, with the same subfolders and `lineage.csv`. */
    to: path,
    /** Most images in all, originals included. */
    total: v.optional(positive, 10_000),
    /** Largest rotation either way, in degrees. */
    rotate: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(180)), 20),
    /** Zoom factors to draw from: the smallest and the largest, both above 0. */
    zoom: v.optional(
      v.pipe(
        v.tuple([v.pipe(v.number(), v.gtValue(0)), v.pipe(v.number(), v.gtValue(0))]),
        v.check(([least, most]) => least <= most, 'expected the smaller factor first'),
      ),
      [0.85, 1.15],
    ),
    /** Largest share of the width and height cut off at the borders, 0..0.5. */
    crop: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(0.5)), 0.1),
    /** Largest relative change of brightness either way, 0..1. */
    brightness: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 0.2),
    /** Standard deviation of added Gaussian noise, as a share of full scale. */
    noise: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 0),
    /** Fill every class up to the same number. */
    balance: v.optional(v.boolean(), true),
    seed,
    unreadable: v.optional(v.picklist(['fail', 'skip']), 'fail'),
  }),
  deps: (args) => [args.from],
  outs: (args) => [args.to],
  metrics: () => [],
});

/** `train`: ResNet50, whole or cut at a named layer, on records made by `convert`. */
export const train = declare({
  name: 'train',
  version: 1,
  summary: 'trains a ResNet50, whole or up to a named layer, and keeps the best by validation',
  schema: v.strictObject({
    /** Folder of records written by `convert`. */
    data: path,
    /** Folder of records to validate on; by default a share of `data`. */
    validation: v.optional(path),
    /** Share of `data` held out when `validation` is not given, 0..0.9. */
    validationShare: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(0.9)), 0.1),
    /** Folder to write weights, `model.json`, `history.csv` to. */
    out: path,
    model: v.optional(v.picklist(['resnet50']), 'resnet50'),
    /** Keras layer name of the last layer kept, e.g. `conv2_block3_out`; by default the whole network. */
    until: v.optional(path),
    /** Height and width the images are brought to. */
    size: v.optional(v.tuple([positive, positive]), [32, 32]),
    epochs: v.optional(positive, 10),
    batch: v.optional(positive, 32),
    learningRate: v.optional(v.pipe(v.number(), v.gtValue(0)), 1e-3),
    optimizer: v.optional(v.picklist(['adam']), 'adam'),
    backend: v.optional(v.picklist(['auto', 'wasm', 'cpu']), 'auto'),
    seed,
  }),
  deps: (args) => [args.data, ...(args.validation ? [args.validation] : [])],
  outs: (args) => [args.out],
  metrics: () => [],
});

/** `evaluate`: what a trained model gets right and wrong. */
export const evaluate = declare({
  name: 'evaluate',
  version: 1,
  summary: 'scores a trained model on records: accuracy, F1, per class, confusion matrix, predictions',
  schema: v.strictObject({
    /** Folder written by `train`. */
    model: path,
    /** Folder of records written by `convert`. */
    data: path,
    /** Folder to write `predictions.csv` and `confusion.csv` to. */
    out: path,
    /** JSON file of numbers, kept in git. */
    metrics: path,
    batch: v.optional(positive, 100),
    backend: v.optional(v.picklist(['auto', 'wasm', 'cpu']), 'auto'),
  }),
  deps: (args) => [args.model, args.data],
  outs: (args) => [args.out],
  metrics: (args) => [args.metrics],
});

/** Every built-in step, by name. */
export const steps = { convert, extract, augment, train, evaluate } as const;
export type StepName = keyof typeof steps;
/** The checked arguments of a step. */
export type StepArgs<Name extends StepName> = v.InferOutput<(typeof steps)[Name]['schema']>;
