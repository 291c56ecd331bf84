import { defineConfig } from 'vitest/config';

/** `make e2e`: end-to-end stories, one file after the other, on the cluster of `make up`. */
export default defineConfig({
  test: {
    include: ['test/e2e/**/*.test.ts'],
    globalSetup: ['test/e2e/support/global-setup.ts'],
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
