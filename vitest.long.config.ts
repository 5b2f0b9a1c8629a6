import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// `npm run test:long`: what `npm test` only samples. Every command killed at many more of its writing calls, and a long
// sequence of random operations against a model.
export default defineConfig({
  test: {
    include: ['test/crash/**/*.test.ts', 'test/model/**/*.test.ts'],
    env: { DV_TEST_LONG: process.env.DV_TEST_LONG ?? '1' },
    // Most tests wait for programs they started; the default would leave a core of two idle.
    maxWorkers: availableParallelism(),
    testTimeout: 600_000,
    hookTimeout: 60_000,
  },
});
