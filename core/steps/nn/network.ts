/**
 * A network on a backend: its forward pass in training and in use, and the statistics its batch normalisations
 * use then. The statistics stored as `moving_mean` and `moving_variance` are not Keras's exponential averages:
 * after a few hundred steps those still hold a share of their initial values and of weights long gone. They are
 * measured afresh with the weights as they are, over training images (precise batch normalisation: Wu and
 * Johnson 2021, arXiv:2105.07576, section 3).
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Compute, Loss, Ops } from './ops.ts';
import {
  type Architecture,
  batchNormEpsilon,
  blockLayers,
  type ConvolutionLayer,
  convolutionLayers,
  parameters,
  stem,
} from './resnet50.ts';
import type { Weights } from './weights.ts';

/** Normalises the output of a convolution layer, and applies ReLU when asked to. */
type Normalise = (layer: ConvolutionLayer, x: tf.Tensor4D, relu: boolean) => tf.Tensor4D;

/** Images with their labels, on the backend. */
export interface Batch {
  /** [batch, height, width, 3], preprocessed. */
  readonly images: tf.Tensor4D;
  /** int32 [batch]. */
  readonly labels: tf.Tensor1D;
}

/** Loss and gradients of one batch; the caller disposes all of them. */
export interface Gradients extends Loss {
  /** By variable name. */
  readonly gradients: tf.NamedTensorMap;
}

/** A network in use, with its statistics folded into factors and offsets; disposing it frees these. */
export interface Inference extends Disposable {
  /** Scores [batch, classes] of images [batch, height, width, 3], before softmax; the caller disposes them. */
  score(images: tf.Tensor4D): tf.Tensor2D;
}

/** A ResNet50 with its weights on a backend. */
export class Network implements Disposable {
  readonly architecture: Architecture;
  /** What gradients change. */
  readonly trained: readonly tf.Variable[];
  readonly #ops: Ops;
  readonly #variables: ReadonlyMap<string, tf.Variable>;

  /** @param weights copied. */
  constructor(architecture: Architecture, weights: Weights, compute: Compute) {
    this.architecture = architecture;
    this.#ops = compute.ops;
    const variables = parameters(architecture).map((parameter) => {
      const numbers = weights.get(parameter.name);
      if (!numbers) throw new Error(`no weights for ${parameter.name}`);
      const tensor = tf.tensor(numbers, [...parameter.shape]);
      const variable = tf.variable(tensor, parameter.trained);
      tensor.dispose();
      return [parameter.name, variable] as const;
    });
    this.#variables = new Map(variables);
    this.trained = variables.map(([, variable]) => variable).filter((variable) => variable.trainable);
  }

  #variable<Kind extends tf.Tensor>(name: string): Kind {
    const variable = this.#variables.get(name);
    if (!variable) throw new Error(`no variable ${name}`);
    return variable as tf.Tensor as Kind;
  }

  /** Scores of images [batch, classes], before softmax. */
  #forward(images: tf.Tensor4D, normalise: Normalise): tf.Tensor2D {
    const ops = this.#ops;
    const layer = (x: tf.Tensor4D, spec: ConvolutionLayer, relu: boolean) =>
      normalise(spec, ops.convolve(x, this.#variable(`${spec.name}_conv/kernel`), spec), relu);
    let x = layer(images, stem, true);
    x = ops.maxPool(x, { size: 3, stride: 2, pad: 1 });
    for (const block of this.architecture.blocks) {
      const { shortcut, main } = blockLayers(block);
      const beside = shortcut ? layer(x, shortcut, false) : x;
      x = layer(x, main[0], true);
      x = layer(x, main[1], true);
      x = ops.addRelu(beside, layer(x, main[2], false));
    }
    return ops.dense(
      ops.averagePool(x),
      this.#variable('predictions/kernel'),
      this.#variable('predictions/bias'),
    );
  }

  /** Normalises with the statistics of the batch. */
  #batchNorm(layer: ConvolutionLayer, x: tf.Tensor4D, relu: boolean) {
    return this.#ops.batchNorm(
      x,
      this.#variable(`${layer.name}_bn/gamma`),
      this.#variable(`${layer.name}_bn/beta`),
      { epsilon: batchNormEpsilon, relu },
    );
  }

  /** Loss of a batch and the gradient of every trained variable. */
  gradients({ images, labels }: Batch): Gradients {
    let probabilities: tf.Tensor2D | undefined;
    const { value, grads } = tf.variableGrads(() => {
      const logits = this.#forward(images, (layer, x, relu) => this.#batchNorm(layer, x, relu).y);
      const result = this.#ops.crossEntropy(logits, labels);
      probabilities = tf.keep(result.probabilities);
      return result.loss;
    }, [...this.trained]);
    return { loss: value, probabilities: probabilities!, gradients: grads };
  }

  /**
   * Measures the mean and variance before each batch normalisation over some images and stores them for
   * `infer`. Within a batch the layers normalise with the batch's own statistics, as in training.
   * @param batches batches of images; disposed.
   */
  measureStatistics(batches: Iterable<tf.Tensor4D>): void {
    const layers = convolutionLayers(this.architecture);
    const totals = new Map(
      layers.map(({ name, filters }) => [
        name,
        { sum: new Float64Array(filters), squares: new Float64Array(filters) },
      ]),
    );
    let images = 0;
    for (const batch of batches) {
      const count = batch.shape[0];
      tf.tidy(() => {
        this.#forward(batch, (layer, x, relu) => {
          const { y, mean, variance } = this.#batchNorm(layer, x, relu);
          const { sum, squares } = totals.get(layer.name)!;
          const means = mean.dataSync();
          variance.dataSync().forEach((spread, channel) => {
            const middle = means[channel]!;
            sum[channel]! += middle * count;
            squares[channel]! += (spread + middle * middle) * count;
          });
          return y;
        });
      });
      batch.dispose();
      images += count;
    }
    for (const { name } of layers) {
      const { sum, squares } = totals.get(name)!;
      const bias = this.#variable(`${name}_conv/bias`).dataSync();
      const mean = sum.map((total) => total / images);
      const variance = squares.map((total, channel) => Math.max(0, total / images - mean[channel]! ** 2));
      this.#assign(
        `${name}_bn/moving_mean`,
        Float32Array.from(mean, (m, channel) => m + bias[channel]!),
      );
      this.#assign(`${name}_bn/moving_variance`, Float32Array.from(variance));
    }
  }

  #assign(name: string, numbers: Float32Array): void {
    const tensor = tf.tensor(numbers, this.#variable(name).shape);
    this.#variables.get(name)!.assign(tensor);
    tensor.dispose();
  }

  /**
   * Scores of images in use, with the stored statistics.
   * Uses the weights as they are when this is called.
   */
  infer(): Inference {
    const folded = new Map(
      convolutionLayers(this.architecture).map(({ name }) => {
        const read = (variable: string) => this.#variable(`${name}_${variable}`).dataSync();
        const [gamma, beta, bias] = [read('bn/gamma'), read('bn/beta'), read('conv/bias')];
        const [mean, variance] = [read('bn/moving_mean'), read('bn/moving_variance')];
        const factor = gamma.map((g, channel) => g / Math.sqrt(variance[channel]! + batchNormEpsilon));
        const offset = factor.map((f, channel) => beta[channel]! + (bias[channel]! - mean[channel]!) * f);
        return [name, { factor: tf.tensor1d(factor), offset: tf.tensor1d(offset) }];
      }),
    );
    return {
      score: (images) =>
        tf.tidy(() =>
          this.#forward(images, (layer, x, relu) => {
            const { factor, offset } = folded.get(layer.name)!;
            return this.#ops.scaleShift(x, factor, offset, relu);
          }),
        ),
      [Symbol.dispose]: () => {
        for (const { factor, offset } of folded.values()) tf.dispose([factor, offset]);
      },
    };
  }

  /** Softmax cross-entropy of scores. */
  loss(logits: tf.Tensor2D, labels: tf.Tensor1D): Loss {
    return this.#ops.crossEntropy(logits, labels);
  }

  /** A copy of all weights. */
  weights(): Weights {
    return new Map(
      [...this.#variables].map(([name, variable]) => [name, variable.dataSync<'float32'>().slice()]),
    );
  }

  /** Frees the weights on the backend. */
  [Symbol.dispose](): void {
    for (const variable of this.#variables.values()) variable.dispose();
  }
}
