import { defineConfig } from 'vitest/config';

// `npm run test:servers`: the drivers of S3 and Google Cloud Storage against servers that speak their protocols.
export default defineConfig({
  test: {
    include: ['test/servers/**/*.test.ts'],
    globalSetup: ['test/servers/start.ts'],
    setupFiles: ['test/servers/note-rows.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
