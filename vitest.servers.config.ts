import { defineConfig } from 'vitest/config';

// `npm run test:servers`: the drivers of S3 and Google Cloud Storage against servers that speak their protocols.
export default defineConfig({
  test: {
    include: ['test/servers/**/*.test.ts'],
    globalSetup: ['test/servers/start.ts'],
    // Real processes and servers can be starved on a shared machine. Elsewhere nothing is tried again, so that a test
    // that only sometimes passes is seen.
    retry: process.env.CI ? 1 : 0,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
