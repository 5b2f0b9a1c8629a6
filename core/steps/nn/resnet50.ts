/**
 * ResNet50 as tf.keras.applications.resnet50 has it: the same layers under the same names, strides on the first
 * 1 × 1 convolution of a stack, biases in the convolutions, batch normalisation with ε 1.001e-5. The network can
 * be cut after any block; global average pooling and the layer `predictions` follow the last block kept.
 * Source: He et al. 2015, arXiv:1512.03385; keras/src/applications/resnet.py.
 */
import { StepError } from '../../model/step.ts';

/** ε of every batch normalisation, as in Keras. */
export const batchNormEpsilon = 1.001e-5;
/** Least height and width of the images, as in Keras. */
export const leastSize = 32;

/** A residual block: 1 × 1, 3 × 3, 1 × 1 convolutions beside a shortcut. */
export interface Block {
  /** Name of its layers before their own part, e.g. `conv2_block1`. */
  readonly name: string;
  readonly inChannels: number;
  /** Filters of the first two convolutions; the third has four times as many. */
  readonly filters: number;
  /** Stride of the first convolution and of the shortcut's. */
  readonly stride: 1 | 2;
  /** Whether the shortcut has a convolution: in the first block of each stack. */
  readonly projects: boolean;
}

/** A ResNet50, whole or cut. */
export interface Architecture {
  readonly name: 'resnet50';
  /** The last layer kept before the pooling, e.g. `conv5_block3_out`. */
  readonly until: string;
  readonly blocks: readonly Block[];
  /** Channels of the last block. */
  readonly features: number;
  /** Number of classes. */
  readonly classes: number;
}

/** The stacks: filters, number of blocks, stride of the first block. */
const stacks = [
  { name: 'conv2', filters: 64, count: 3, stride: 1 },
  { name: 'conv3', filters: 128, count: 4, stride: 2 },
  { name: 'conv4', filters: 256, count: 6, stride: 2 },
  { name: 'conv5', filters: 512, count: 3, stride: 2 },
] as const;

/** Channels after the first convolution. */
const stemChannels = 64;

const allBlocks: readonly Block[] = stacks.flatMap(({ name, filters, count, stride }, stack) => {
  const before = stacks[stack - 1];
  return Array.from({ length: count }, (_, index) => ({
    name: `${name}_block${index + 1}`,
    inChannels: index > 0 ? filters * 4 : before ? before.filters * 4 : stemChannels,
    filters,
    stride: index === 0 ? stride : 1,
    projects: index === 0,
  }));
});

/** Names of the layers the network can be cut at, from the first to the last. */
export const cutNames: readonly string[] = allBlocks.map((block) => `${block.name}_out`);

/**
 * Describes a ResNet50.
 * @param until name of the last layer kept; the whole network when left out.
 * @throws {StepError} when no block ends with that layer.
 */
export function resnet50(classes: number, until: string = cutNames.at(-1)!): Architecture {
  const blocks = allBlocks.slice(0, cutNames.indexOf(until) + 1);
  const last = blocks.at(-1);
  if (!last)
    throw new StepError(`resnet50 cannot be cut at ${until}`, `until is one of ${cutNames.join(', ')}`);
  return { name: 'resnet50', until, blocks, features: last.filters * 4, classes };
}

/** A convolution with the batch normalisation after it. */
export interface ConvolutionLayer {
  /** Name before `_conv` and `_bn`, e.g. `conv2_block1_2`. */
  readonly name: string;
  readonly size: 1 | 3 | 7;
  readonly stride: 1 | 2;
  /** Pixels of zeros around its input. */
  readonly pad: number;
  readonly inChannels: number;
  readonly filters: number;
}

/** The first convolution; Keras pads before it in a layer of its own, `conv1_pad`. */
export const stem: ConvolutionLayer = {
  name: 'conv1',
  size: 7,
  stride: 2,
  pad: 3,
  inChannels: 3,
  filters: stemChannels,
};

/** The convolutions of a block; `shortcut` is left out where the block's input is added as it is. */
export function blockLayers(block: Block): {
  readonly shortcut?: ConvolutionLayer;
  readonly main: readonly [ConvolutionLayer, ConvolutionLayer, ConvolutionLayer];
} {
  const { name, inChannels, filters, stride, projects } = block;
  const pointwise = { size: 1, pad: 0 } as const;
  return {
    ...(projects && {
      shortcut: { ...pointwise, name: `${name}_0`, stride, inChannels, filters: filters * 4 },
    }),
    main: [
      { ...pointwise, name: `${name}_1`, stride, inChannels, filters },
      { name: `${name}_2`, size: 3, stride: 1, pad: 1, inChannels: filters, filters },
      { ...pointwise, name: `${name}_3`, stride: 1, inChannels: filters, filters: filters * 4 },
    ],
  };
}

/** Every convolution of a network, in the order of the names. */
export function convolutionLayers({ blocks }: Architecture): ConvolutionLayer[] {
  return [
    stem,
    ...blocks.flatMap((block) => {
      const { shortcut, main } = blockLayers(block);
      return shortcut ? [shortcut, ...main] : main;
    }),
  ];
}

/** One array of numbers of a network. */
export interface Parameter {
  /** Keras's names of layer and variable, e.g. `conv1_bn/gamma`. */
  readonly name: string;
  readonly shape: readonly number[];
  /** What it holds before training. */
  readonly initial: 'glorot-uniform' | 'zeros' | 'ones';
  /**
   * Whether gradients change it. Biases before a batch normalisation are kept but not trained: the mean that is
   * subtracted takes them away again, so their gradient is 0.
   */
  readonly trained: boolean;
}

/** Every array of numbers of a network, in the order of their layers. */
export function parameters(architecture: Architecture): Parameter[] {
  const { features, classes } = architecture;
  return [
    ...convolutionLayers(architecture).flatMap(({ name, size, inChannels, filters }): Parameter[] => {
      const perFilter = { shape: [filters] };
      return [
        {
          name: `${name}_conv/kernel`,
          shape: [size, size, inChannels, filters],
          initial: 'glorot-uniform',
          trained: true,
        },
        { name: `${name}_conv/bias`, ...perFilter, initial: 'zeros', trained: false },
        { name: `${name}_bn/gamma`, ...perFilter, initial: 'ones', trained: true },
        { name: `${name}_bn/beta`, ...perFilter, initial: 'zeros', trained: true },
        { name: `${name}_bn/moving_mean`, ...perFilter, initial: 'zeros', trained: false },
        { name: `${name}_bn/moving_variance`, ...perFilter, initial: 'ones', trained: false },
      ];
    }),
    {
      name: 'predictions/kernel',
      shape: [features, classes],
      initial: 'glorot-uniform',
      trained: true,
    },
    { name: 'predictions/bias', shape: [classes], initial: 'zeros', trained: true },
  ];
}
