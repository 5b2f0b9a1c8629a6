/** The numbers of a network outside any backend. */
import { Random } from '../random.ts';
import { type Architecture, type Parameter, parameters } from './resnet50.ts';

/** Numbers by parameter name, each row-major in its parameter's shape. */
export type Weights = ReadonlyMap<string, Float32Array>;

/** How many numbers a parameter has. */
export const parameterSize = ({ shape }: Parameter) => shape.reduce((product, size) => product * size, 1);

/**
 * Numbers uniform in ±√(6 / (fan in + fan out)).
 * Source: Glorot and Bengio 2010; keras/src/initializers/random_initializers.py.
 */
function glorotUniform({ name, shape }: Parameter, seed: number): Float32Array {
  const receptive = shape.slice(0, -2).reduce((product, size) => product * size, 1);
  const [fanIn, fanOut] = shape.slice(-2) as [number, number];
  const limit = Math.sqrt(6 / (receptive * (fanIn + fanOut)));
  const random = new Random(seed, 'weights', name);
  return Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, () =>
    random.between(-limit, limit),
  );
}

/**
 * The weights a network begins with, as Keras initialises its layers. A layer begins with the same numbers
 * wherever the network is cut.
 */
export function initialWeights(architecture: Architecture, seed: number): Weights {
  return new Map(
    parameters(architecture).map((parameter) => [
      parameter.name,
      parameter.initial === 'glorot-uniform'
        ? glorotUniform(parameter, seed)
        : new Float32Array(parameterSize(parameter)).fill(parameter.initial === 'ones' ? 1 : 0),
    ]),
  );
}
