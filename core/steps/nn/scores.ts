/** What a classifier gets right and wrong, counted. */

/** Figures of one class. */
export interface ClassScores {
  /** Right among those predicted to be of the class; 0 when none is. */
  readonly precision: number;
  /** Right among those of the class; 0 when there is none. */
  readonly recall: number;
  /** Harmonic mean of precision and recall; 0 when both are. */
  readonly f1: number;
  /** Images of the class. */
  readonly support: number;
}

/** Figures of all classes. */
export interface Scores {
  /** Share of images predicted rightly. */
  readonly accuracy: number;
  /** Unweighted means over the classes that images have or are predicted to have. */
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** One per class, in the order of the labels. */
  readonly classes: readonly ClassScores[];
}

/** Counts predictions: `matrix[label][predicted]`. */
export function confusionMatrix(
  labels: readonly number[],
  predicted: readonly number[],
  classes: number,
): number[][] {
  const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  labels.forEach((label, index) => {
    matrix[label]![predicted[index]!]! += 1;
  });
  return matrix;
}

const ratio = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);
const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

/**
 * Computes the figures of a confusion matrix with at least one image. The means are those of scikit-learn's
 * precision_recall_fscore_support with average "macro" and zero_division 0.
 */
export function scoreMatrix(matrix: readonly (readonly number[])[]): Scores {
  const classes = matrix.map((row, label) => {
    const right = row[label]!;
    const support = sum(row);
    const predicted = sum(matrix.map((other) => other[label]!));
    const precision = ratio(right, predicted);
    const recall = ratio(right, support);
    const f1 = ratio(2 * right, support + predicted);
    return { precision, recall, f1, support, seen: support + predicted > 0 };
  });
  const seen = classes.filter((scores) => scores.seen);
  const mean = (figure: 'precision' | 'recall' | 'f1') =>
    ratio(sum(seen.map((scores) => scores[figure])), seen.length);
  return {
    accuracy: ratio(sum(matrix.map((row, label) => row[label]!)), sum(matrix.flat())),
    precision: mean('precision'),
    recall: mean('recall'),
    f1: mean('f1'),
    classes: classes.map(({ precision, recall, f1, support }) => ({ precision, recall, f1, support })),
  };
}
