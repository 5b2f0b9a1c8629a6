/** The step `evaluate`: a model and records in, figures and predictions out. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type RunStep, type StepContext, StepError } from '../model/step.ts';
import type { StepArgs } from '../model/steps.ts';
import { csvLine } from './csv.ts';
import { classDifference } from './nn/classes.ts';
import { openCompute } from './nn/compute.ts';
import { decimals } from './nn/decimals.ts';
import { readImages } from './nn/images.ts';
import { readModel } from './nn/model-file.ts';
import { Network } from './nn/network.ts';
import { type Prediction, predict } from './nn/predict.ts';
import { confusionMatrix, type Scores, scoreMatrix } from './nn/scores.ts';
import { requireApart, writeOutFolder } from './out-folder.ts';

type Args = StepArgs<'evaluate'>;

const predictionsFile = 'predictions.csv';
const confusionFile = 'confusion.csv';
const outFiles = [predictionsFile, confusionFile];

/** One line per image: its name, class, predicted class, and the probability of each class. */
function toPredictionsCsv(classes: readonly string[], predictions: readonly Prediction[]): string {
  const probabilities = classes.map((name) => `probability.${name}`);
  const lines = predictions.map((prediction) =>
    csvLine([
      prediction.image.name,
      classes[prediction.image.label]!,
      classes[prediction.predicted]!,
      decimals(prediction.probabilities[prediction.predicted]!),
      ...Array.from(prediction.probabilities, decimals),
    ]),
  );
  return csvLine(['name', 'label', 'predicted', 'confidence', ...probabilities]) + lines.join('');
}

/** One line per class with how often its images were predicted to be of each class. */
function toConfusionCsv(classes: readonly string[], matrix: readonly (readonly number[])[]): string {
  const lines = matrix.map((row, label) => csvLine([classes[label]!, ...row]));
  return csvLine(['label', ...classes]) + lines.join('');
}

/** The figures as they are kept in git: six decimals, keys in one order. */
function toMetrics(classes: readonly string[], scores: Scores, loss: number): string {
  const rounded = (value: number) => Number(decimals(value));
  const metrics = {
    accuracy: rounded(scores.accuracy),
    loss: rounded(loss),
    f1: { macro: rounded(scores.f1) },
    precision: { macro: rounded(scores.precision) },
    recall: { macro: rounded(scores.recall) },
    class: Object.fromEntries(
      scores.classes.map(({ f1, precision, recall, support }, label) => [
        classes[label]!,
        { f1: rounded(f1), precision: rounded(precision), recall: rounded(recall), support },
      ]),
    ),
  };
  return `${JSON.stringify(metrics, null, 2)}\n`;
}

/**
 * Scores a model on records and writes `confusion.csv`, `predictions.csv` and the metrics file, that one last.
 * @throws {StepError} on a bad model or bad records, and when their classes differ.
 */
export const run: RunStep<Args> = async (args: Args, context: StepContext) => {
  const { signal } = context;
  const at = (shown: string) => ({ folder: resolve(context.directory, shown), shown });
  for (const shown of [args.data, args.model]) requireApart(at(shown), at(args.out));
  const { description, architecture, weights } = await readModel(at(args.model).folder);
  const { preprocessing } = description;
  const { classes, images } = await readImages(at(args.data).folder, preprocessing.size, signal);
  const difference = classDifference(description.classes, classes);
  if (difference)
    throw new StepError(
      `${args.data} has other classes than the model ${args.model}: ${difference}`,
      'convert the records with the classes the model was trained on',
    );

  const compute = await openCompute(args.backend, context.threads);
  using network = new Network(architecture, weights, compute);
  const { batch } = args;
  const { loss, predictions } = await predict(network, images, { preprocessing, batch, signal });
  const matrix = confusionMatrix(
    predictions.map(({ image }) => image.label),
    predictions.map(({ predicted }) => predicted),
    classes.length,
  );
  const scores = scoreMatrix(matrix);
  const isOurs = (names: readonly string[]) => names.every((name) => outFiles.includes(name));
  await writeOutFolder({ ...at(args.out), isOurs }, async (partial) => {
    await writeFile(join(partial, confusionFile), toConfusionCsv(classes, matrix));
    await writeFile(join(partial, predictionsFile), toPredictionsCsv(classes, predictions));
  });
  const metrics = resolve(context.directory, args.metrics);
  await mkdir(dirname(metrics), { recursive: true });
  await writeFile(metrics, toMetrics(classes, scores, loss));
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
  context.log(
    `${images.length} images: accuracy ${percent(scores.accuracy)}, macro F1 ${percent(scores.f1)}, loss ${loss.toFixed(3)}`,
  );
};
