import { describe, expect, test } from 'vitest';
import { confusionMatrix, scoreMatrix } from '../../../../core/steps/nn/scores.ts';

describe('scores', () => {
  // By hand: 10 images of three classes; 4 + 2 + 1 = 7 right.
  const labels = [0, 0, 0, 0, 0, 1, 1, 1, 2, 2];
  const predicted = [0, 0, 0, 0, 1, 1, 1, 2, 2, 0];
  const matrix = confusionMatrix(labels, predicted, 3);

  test('count predictions by label', () => {
    expect(matrix).toEqual([
      [4, 1, 0],
      [0, 2, 1],
      [1, 0, 1],
    ]);
  });

  test('of each class and on average', () => {
    const scores = scoreMatrix(matrix);
    expect(scores.accuracy).toBeCloseTo(7 / 10);
    const [a, b, c] = scores.classes;
    expect(a).toEqual({ precision: 4 / 5, recall: 4 / 5, f1: 8 / 10, support: 5 });
    expect(b).toEqual({ precision: 2 / 3, recall: 2 / 3, f1: 4 / 6, support: 3 });
    expect(c).toEqual({ precision: 1 / 2, recall: 1 / 2, f1: 2 / 4, support: 2 });
    expect(scores.f1).toBeCloseTo((0.8 + 2 / 3 + 0.5) / 3);
    expect(scores.precision).toBeCloseTo((0.8 + 2 / 3 + 0.5) / 3);
  });

  test('are 0 where nothing is predicted or present, and a class that is neither does not count', () => {
    // Class 1 is never predicted, class 2 has no images, class 3 has neither.
    const scores = scoreMatrix([
      [2, 0, 1, 0],
      [1, 0, 0, 0],
      [0, 0, 0, 0],
      [0, 0, 0, 0],
    ]);
    expect(scores.classes[1]).toEqual({ precision: 0, recall: 0, f1: 0, support: 1 });
    expect(scores.classes[2]).toEqual({ precision: 0, recall: 0, f1: 0, support: 0 });
    expect(scores.classes[3]).toEqual({ precision: 0, recall: 0, f1: 0, support: 0 });
    // The mean counts the three classes that are present or predicted.
    expect(scores.recall).toBeCloseTo((2 / 3 + 0 + 0) / 3);
    expect(scores.f1).toBeCloseTo((2 / 3 + 0 + 0) / 3);
  });
});
