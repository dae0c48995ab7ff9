import { availableParallelism } from 'node:os'
import { configDefaults, defineConfig } from 'vitest/config'
import { PROJECTS } from './test/projects.ts'

export default defineConfig({
  test: {
    // Real processes, databases and sockets are started by the tests: a fresh machine needs some patience.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Most files wait more than they compute, so that two run side by side on the smallest machine.
    maxWorkers: Math.max(2, availableParallelism()),
    // What the quick tests are about. Much of the rest runs in processes of its own, which coverage does not see.
    coverage: { include: ['src/{cache,domain,flow,lib,services}/**/*.ts'], reporter: ['text', 'html'] },
    projects: Object.entries(PROJECTS).map(([name, { include, exclude }]) => ({
      extends: true,
      test: {
        name,
        include: [...include],
        exclude: [...configDefaults.exclude, ...exclude],
        // Nothing that a unit test does outlives it, so that its files share a thread and what that has loaded.
        ...(name === 'unit' ? { pool: 'threads' as const, isolate: false } : { pool: 'forks' as const }),
      },
    })),
  },
})
