/** The step `evaluate`: a model and records in, figures and predictions out. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type RunStep, StepError } from '../model/step.ts';
import type { StepArgs } from '../model/steps.ts';
import { classDifference } from './nn/classes.ts';
import { openCompute } from './nn/compute.ts';
import { decimals, toCsv } from './nn/csv.ts';
import { readImages } from './nn/images.ts';
import { readModel } from './nn/model-file.ts';
import { Network } from './nn/network.ts';
import { type Prediction, predict } from './nn/predict.ts';
import { confusionMatrix, type Scores, scoreMatrix } from './nn/scores.ts';

/** One line per image: its name, class, predicted class, and the probability of each class. */
function toPredictionsCsv(classes: readonly string[], predictions: readonly Prediction[]): string {
  return toCsv([
    ['name', 'label', 'predicted', 'confidence', ...classes.map((name) => `probability.${name}`)],
    ...predictions.map(({ image, predicted, probabilities }) => [
      image.name,
      classes[image.label]!,
      classes[predicted]!,
      decimals(probabilities[predicted]!),
      ...Array.from(probabilities, decimals),
    ]),
  ]);
}

/** One line per class with how often its images were predicted to be of each class. */
function toConfusionCsv(classes: readonly string[], matrix: readonly (readonly number[])[]): string {
  return toCsv([['label', ...classes], ...matrix.map((row, label) => [classes[label]!, ...row])]);
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
 * Scores a model on records and writes the metrics file, `confusion.csv` and `predictions.csv`.
 * @throws {StepError} on a bad model or bad records, and when their classes differ.
 */
export const run: RunStep<StepArgs<'evaluate'>> = async (args, context) => {
  const { signal } = context;
  const path = (name: string) => resolve(context.directory, name);
  const { description, architecture, weights } = await readModel(path(args.model));
  const { preprocessing } = description;
  const { classes, images } = await readImages(path(args.data), preprocessing.size, signal);
  const difference = classDifference(description.classes, classes);
  if (difference)
    throw new StepError(
      `${args.data} has other classes than the model ${args.model}: ${difference}`,
      'convert the records with the classes the model was trained on',
    );

  const compute = await openCompute(args.backend);
  const network = new Network(architecture, weights, compute);
  try {
    const { loss, predictions } = await predict(network, images, {
      preprocessing,
      batch: args.batch,
      signal,
    });
    const matrix = confusionMatrix(
      predictions.map(({ image }) => image.label),
      predictions.map(({ predicted }) => predicted),
      classes.length,
    );
    const scores = scoreMatrix(matrix);
    await mkdir(path(args.out), { recursive: true });
    await mkdir(dirname(path(args.metrics)), { recursive: true });
    await writeFile(join(path(args.out), 'confusion.csv'), toConfusionCsv(classes, matrix));
    await writeFile(join(path(args.out), 'predictions.csv'), toPredictionsCsv(classes, predictions));
    await writeFile(path(args.metrics), toMetrics(classes, scores, loss));
    context.log(
      `${images.length} images: accuracy ${(scores.accuracy * 100).toFixed(1)} %, macro F1 ${(scores.f1 * 100).toFixed(1)} %, loss ${loss.toFixed(3)}`,
    );
  } finally {
    network.dispose();
  }
};
