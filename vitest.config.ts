import { availableParallelism } from 'node:os'
import { configDefaults, defineConfig } from 'vitest/config'
import { PROJECTS } from './test/projects.ts'

const SHARING = new Set(['unit', 'process'])

export default defineConfig({
  test: {
    // Real processes, databases and sockets are started by the tests: a fresh machine needs some patience.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Most files wait more than they compute, so that three run side by side even on the smallest machine.
    maxWorkers: Math.max(3, availableParallelism()),
    // What the quick tests are about. Much of the rest runs in processes of its own, which coverage does not see.
    coverage: { include: ['src/{cache,domain,flow,lib,services}/**/*.ts'], reporter: ['text', 'html'] },
    projects: Object.entries(PROJECTS).map(([name, { include, exclude }]) => ({
      extends: true,
      test: {
        name,
        include: [...include],
        exclude: [...configDefaults.exclude, ...exclude],
        pool: name === 'unit' ? ('threads' as const) : ('forks' as const),
        // What these tests do does not outlive them, so that their files share what a worker has loaded.
        isolate: !SHARING.has(name),
      },
    })),
  },
})
