import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.{ts,tsx}'],
    exclude: ['test/servers/**', 'node_modules/**'],
    // Real processes and servers can be starved on a shared machine. Elsewhere nothing is tried again, so that a test
    // that only sometimes passes is seen.
    retry: process.env.CI ? 1 : 0,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
