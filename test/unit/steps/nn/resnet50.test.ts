import { describe, expect, test } from 'vitest';
import { StepError } from '../../../../core/model/step.ts';
import { cutNames, parameters, resnet50 } from '../../../../core/steps/nn/resnet50.ts';
import { initialWeights, parameterSize } from '../../../../core/steps/nn/weights.ts';

const total = (of: readonly { shape: readonly number[]; name: string }[]) =>
  of.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);

describe('the whole network', () => {
  const whole = parameters(resnet50(1000));

  test('has the parameters Keras counts', () => {
    expect(total(whole)).toBe(25_636_712);
    // Keras: 53,120 of them are not trainable, the moving statistics.
    expect(total(whole.filter(({ name }) => name.includes('/moving_')))).toBe(53_120);
  });

  test('has 53 convolutions, each with a batch normalisation', () => {
    const layers = [...new Set(whole.map(({ name }) => name.split('/')[0]!))];
    expect(layers.filter((name) => name.endsWith('_conv'))).toHaveLength(53);
    expect(layers.filter((name) => name.endsWith('_bn'))).toHaveLength(53);
  });

  test('has Keras’s names and shapes', () => {
    const shapes = new Map(whole.map(({ name, shape }) => [name, shape]));
    expect(shapes.get('conv1_conv/kernel')).toEqual([7, 7, 3, 64]);
    expect(shapes.get('conv1_bn/moving_variance')).toEqual([64]);
    expect(shapes.get('conv2_block1_0_conv/kernel')).toEqual([1, 1, 64, 256]);
    expect(shapes.get('conv2_block2_1_conv/kernel')).toEqual([1, 1, 256, 64]);
    expect(shapes.get('conv3_block1_0_conv/kernel')).toEqual([1, 1, 256, 512]);
    expect(shapes.get('conv3_block1_1_conv/kernel')).toEqual([1, 1, 256, 128]);
    expect(shapes.get('conv4_block6_2_conv/kernel')).toEqual([3, 3, 256, 256]);
    expect(shapes.get('conv5_block3_3_conv/bias')).toEqual([2048]);
    expect(shapes.get('predictions/kernel')).toEqual([2048, 1000]);
    expect(shapes.has('conv2_block2_0_conv/kernel')).toBe(false);
  });

  test('halves the image in the first block of the later stacks', () => {
    const strides = resnet50(10)
      .blocks.filter(({ stride }) => stride === 2)
      .map(({ name }) => name);
    expect(strides).toEqual(['conv3_block1', 'conv4_block1', 'conv5_block1']);
  });
});

describe('a network cut at a layer', () => {
  test('ends there', () => {
    const cut = resnet50(10, 'conv2_block3_out');
    expect(cut.blocks.map(({ name }) => name)).toEqual(['conv2_block1', 'conv2_block2', 'conv2_block3']);
    expect(parameters(cut).at(-2)).toMatchObject({ name: 'predictions/kernel', shape: [256, 10] });
  });

  test('can be cut at each of the 16 blocks', () => {
    expect(cutNames).toHaveLength(16);
    for (const name of cutNames) expect(resnet50(2, name).until).toBe(name);
  });

  test('names the layers when the given one is not among them', () => {
    const cut = () => resnet50(10, 'conv2_block4_out');
    expect(cut).toThrow(StepError);
    expect(cut).toThrow('resnet50 cannot be cut at conv2_block4_out');
    try {
      cut();
    } catch (error) {
      expect((error as StepError).hint).toContain('conv2_block3_out, conv3_block1_out');
    }
  });
});

describe('initial weights', () => {
  const architecture = resnet50(10, 'conv2_block1_out');
  const weights = initialWeights(architecture, 7);

  test('are those of Keras’s initializers', () => {
    const kernel = weights.get('conv1_conv/kernel')!;
    const limit = Math.sqrt(6 / (49 * (3 + 64)));
    const largest = kernel.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    expect(largest).toBeLessThanOrEqual(limit);
    expect(largest).toBeGreaterThan(0.99 * limit);
    const variance = kernel.reduce((sum, value) => sum + value ** 2, 0) / kernel.length;
    expect(variance / (limit ** 2 / 3)).toBeCloseTo(1, 1);
    expect([...weights.get('conv1_conv/bias')!].every((value) => value === 0)).toBe(true);
    expect([...weights.get('conv1_bn/gamma')!].every((value) => value === 1)).toBe(true);
    for (const parameter of parameters(architecture))
      expect(weights.get(parameter.name)).toHaveLength(parameterSize(parameter));
  });

  test('depend on the seed and not on where the network is cut', () => {
    const longer = initialWeights(resnet50(10, 'conv2_block2_out'), 7);
    expect(longer.get('conv2_block1_2_conv/kernel')).toEqual(weights.get('conv2_block1_2_conv/kernel'));
    const other = initialWeights(architecture, 8);
    expect(other.get('conv1_conv/kernel')).not.toEqual(weights.get('conv1_conv/kernel'));
  });
});
