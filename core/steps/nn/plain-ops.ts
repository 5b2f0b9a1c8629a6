/** The operations of a network from TensorFlow.js alone, with its own gradients: slow, and what the kernels are checked against. */
import * as tf from '@tensorflow/tfjs-core';
import { distFile } from '../../dist.ts';
import type { AdamSettings, Compute, Ops, Optimizer } from './ops.ts';

const padded = (x: tf.Tensor4D, pad: number) =>
  pad === 0
    ? x
    : tf.pad4d(x, [
        [0, 0],
        [pad, pad],
        [pad, pad],
        [0, 0],
      ]);

const ops: Ops = {
  convolve: (x, kernel, { stride, pad }) => tf.conv2d(x, kernel, stride, pad),
  batchNorm(x, gamma, beta, { epsilon, relu }) {
    const { mean, variance } = tf.moments(x, [0, 1, 2]);
    const y = tf.batchNorm4d(x, mean as tf.Tensor1D, variance as tf.Tensor1D, beta, gamma, epsilon);
    return { y: relu ? tf.relu(y) : y, mean: mean as tf.Tensor1D, variance: variance as tf.Tensor1D };
  },
  scaleShift(x, factor, offset, relu) {
    const y = tf.add<tf.Tensor4D>(tf.mul(x, factor), offset);
    return relu ? tf.relu(y) : y;
  },
  addRelu: (a, b) => tf.relu(tf.add<tf.Tensor4D>(a, b)),
  maxPool: (x, { size, stride, pad }) => tf.maxPool(padded(x, pad), size, stride, 'valid'),
  averagePool: (x) => tf.mean<tf.Tensor2D>(x, [1, 2]),
  dense: (x, kernel, bias) => tf.add(tf.matMul(x, kernel), bias),
  crossEntropy(logits, labels) {
    const right = tf.sum(tf.mul(logits, tf.oneHot(labels, logits.shape[1])), -1);
    const loss = tf.mean<tf.Scalar>(tf.sub(tf.logSumExp(logits, -1), right));
    return { loss, probabilities: tf.softmax(logits) };
  },
};

function adam(variables: readonly tf.Variable[], settings: AdamSettings): Optimizer {
  const moments = variables.map((variable) => ({
    variable,
    mean: tf.variable(tf.zeros(variable.shape), false),
    square: tf.variable(tf.zeros(variable.shape), false),
  }));
  const { beta1, beta2, epsilon } = settings;
  let step = 0;
  return {
    apply(gradients, learningRate) {
      step++;
      tf.tidy(() => {
        for (const { variable, mean, square } of moments) {
          const gradient = gradients[variable.name];
          if (!gradient) throw new Error(`no gradient for ${variable.name}`);
          mean.assign(tf.add(tf.mul(mean, beta1), tf.mul(gradient, 1 - beta1)));
          square.assign(tf.add(tf.mul(square, beta2), tf.mul(tf.square(gradient), 1 - beta2)));
          const change = tf.div(
            tf.mul(mean, learningRate / (1 - beta1 ** step)),
            tf.add(tf.sqrt(tf.div(square, 1 - beta2 ** step)), epsilon),
          );
          variable.assign(tf.sub(variable, change));
        }
      });
    },
    [Symbol.dispose]: () => {
      for (const { mean, square } of moments) tf.dispose([mean, square]);
    },
  };
}

/** Makes TensorFlow.js's plain JavaScript backend the current one. */
export async function openCpu(): Promise<Compute> {
  await import('@tensorflow/tfjs-backend-cpu');
  await import(distFile('built/gradients.js').href);
  await tf.setBackend('cpu');
  return { backend: 'cpu', ops, adam, timed: (step) => step() };
}
