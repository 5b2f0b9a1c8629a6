/** Adam on the wasm backend: weights and moments change in place. */
import * as tf from '@tensorflow/tfjs-core';
import type { AdamSettings, Optimizer } from '../ops.ts';
import { type KernelRuntime, littleWork, ranges } from './runtime.ts';

/**
 * Makes an optimizer for variables that only kernels of this folder read: TensorFlow.js's own convolutions and
 * products keep packed copies of weights and would not see them change.
 */
export function adam(
  runtime: KernelRuntime,
  variables: readonly tf.Variable[],
  { beta1, beta2, epsilon }: AdamSettings,
): Optimizer {
  const moments = variables.map((variable) => ({
    variable,
    mean: tf.keep(tf.zeros(variable.shape)),
    square: tf.keep(tf.zeros(variable.shape)),
  }));
  let step = 0;
  return {
    apply(gradients, learningRate) {
      step++;
      const meanCorrection = 1 / (1 - beta1 ** step);
      const squareCorrection = 1 / (1 - beta2 ** step);
      for (const { variable, mean, square } of moments) {
        const gradient = gradients[variable.name];
        if (!gradient) throw new Error(`no gradient for ${variable.name}`);
        runtime.run(
          'adam',
          ranges(variable.size, runtime.threads, littleWork).map(([from, to]) => [
            runtime.address(variable),
            runtime.address(mean),
            runtime.address(square),
            runtime.address(gradient),
            from,
            to,
            learningRate,
            beta1,
            beta2,
            epsilon,
            meanCorrection,
            squareCorrection,
          ]),
        );
      }
    },
    [Symbol.dispose]: () => {
      for (const { mean, square } of moments) tf.dispose([mean, square]);
    },
  };
}
