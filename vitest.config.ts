import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    // Real processes, databases and sockets are started by the tests: a fresh machine needs some patience.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // What the quick tests are about. Much of the rest runs in processes of its own, which coverage does not see.
    coverage: { include: ['src/{cache,domain,flow,lib,services}/**/*.ts'], reporter: ['text', 'html'] },
  },
})
