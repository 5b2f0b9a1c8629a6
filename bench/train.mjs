// Training speed: images per second of one step (forward, backward, Adam) on noise, per number of threads.
//   node bench/train.mjs [--until conv2_block3_out] [--size 32] [--batch 32] [--steps 40] [--threads 1,2] [--json]
// Each number of threads is measured in a process of its own. The median says what to expect on this machine as it
// is now, the best what it can do when nothing else runs.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    until: { type: 'string', default: 'conv2_block3_out' },
    size: { type: 'string', default: '32' },
    batch: { type: 'string', default: '32' },
    steps: { type: 'string', default: '40' },
    threads: { type: 'string', default: '1,2' },
    json: { type: 'boolean', default: false },
    child: { type: 'boolean', default: false },
  },
});
const { until } = values;
const [size, batch, steps] = [values.size, values.batch, values.steps].map(Number);

/** Milliseconds of each step on so many threads, after some to warm up. */
async function measure(threads) {
  const tf = await import('@tensorflow/tfjs-core');
  const load = (name) => import(new URL(`../dist/core/steps/nn/${name}.js`, import.meta.url));
  const { openCompute } = await load('compute');
  const { Network } = await load('network');
  const { resnet50 } = await load('resnet50');
  const { initialWeights } = await load('weights');
  const { adamSettings } = await load('training');

  const compute = await openCompute('wasm', threads);
  const architecture = resnet50(10, until);
  const network = new Network(architecture, initialWeights(architecture, 1), compute);
  const optimizer = compute.adam(network.trained, adamSettings);
  const pixels = Float32Array.from(
    { length: batch * size * size * 3 },
    (_, i) => ((i * 37) % 255) / 127.5 - 1,
  );
  const classes = Array.from({ length: batch }, (_, i) => i % 10);
  const step = () =>
    tf.tidy(() => {
      const images = tf.tensor4d(pixels, [batch, size, size, 3]);
      const { gradients, probabilities } = network.gradients({
        images,
        labels: tf.tensor1d(classes, 'int32'),
      });
      optimizer.apply(gradients, 1e-3);
      probabilities.dispose();
    });
  for (let i = 0; i < 5; i++) step();
  return Array.from({ length: steps }, () => {
    const started = performance.now();
    step();
    return performance.now() - started;
  });
}

if (values.child) {
  process.stdout.write(JSON.stringify(await measure(Number(values.threads))));
} else {
  const results = values.threads.split(',').map((threads) => {
    const args = Object.entries({ until, size, batch, steps, threads }).map(
      ([key, value]) => `--${key}=${value}`,
    );
    const output = execFileSync(process.execPath, [fileURLToPath(import.meta.url), '--child', ...args]);
    const times = JSON.parse(output).sort((a, b) => a - b);
    const speed = (ms) => Math.round((batch / ms) * 1000);
    return { threads: Number(threads), median: speed(times[times.length >> 1]), best: speed(times[0]) };
  });
  if (values.json) console.log(JSON.stringify({ until, size, batch, unit: 'images/s', results }));
  else {
    console.log(`ResNet50 to ${until}, ${size} × ${size}, batch ${batch}: images/s of a training step`);
    for (const { threads, median, best } of results)
      console.log(`  ${threads} ${threads === 1 ? 'thread ' : 'threads'}  median ${median}, best ${best}`);
  }
}
