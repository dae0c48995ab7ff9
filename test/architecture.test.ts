/**
 * Who may import whom, and where time and chance come from: ARCHITECTURE.md draws it, this holds it. And which tests run
 * together.
 */
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, matchesGlob, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'
import { PROJECTS } from './projects.ts'

const SRC = join(import.meta.dirname, '../src')

interface Source {
  /** Relative to `src/`. */
  path: string
  lines: number
  /** Without comments. */
  code: string
  /** Files of `src/` that it imports, and packages or parts of Node. */
  files: string[]
  packages: string[]
}

const sources: Source[] = globSync('**/*.ts', { cwd: SRC })
  .map((path) => path.replaceAll('\\', '/'))
  .toSorted()
  .map((path) => {
    const text = readFileSync(join(SRC, path), 'utf8')
    const code = text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '')
    const specifiers = Array.from(code.matchAll(/(?:\bfrom|\bimport\(?)\s*'([^']+)'/g), ([, specifier]) => specifier!)
    const files = specifiers
      .filter((one) => one.startsWith('.'))
      .map((one) => normalize(join(dirname(path), one)).replaceAll('\\', '/'))
    return {
      path,
      lines: text.split('\n').length - 1,
      code,
      files,
      packages: specifiers.filter((one) => !one.startsWith('.')),
    }
  })

/** Folders within folders that are parts of their own. */
const INNER_PARTS = ['services/dispatch']

/** The folder, or the file where it lies in `src/` itself. */
const partOf = (path: string): string => INNER_PARTS.find((part) => path.startsWith(`${part}/`)) ?? path.split('/')[0]!

/** Nobody may import upwards; within its own part everybody may import everybody. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  domain: ['lib'],
  sources: ['domain', 'lib'],
  destinations: ['domain', 'lib'],
  store: ['domain', 'lib'],
  cache: ['domain', 'lib', 'store'],
  telemetry: ['domain', 'lib', 'store'],
  flow: ['domain', 'lib', 'sources', 'destinations', 'store', 'cache', 'telemetry'],
  manage: ['domain', 'lib', 'sources', 'store', 'cache', 'flow'],
  services: ['domain', 'lib', 'destinations', 'store', 'cache', 'telemetry', 'flow'],
  'services/dispatch': ['domain', 'lib', 'store', 'cache', 'flow', 'services'],
  redis: ['domain', 'lib', 'cache', 'telemetry', 'services', 'services/dispatch'],
  settings: ['domain', 'lib', 'destinations'],
  'config.ts': ['domain', 'lib', 'settings'],
  http: ['domain', 'lib', 'sources', 'destinations', 'store', 'cache', 'telemetry', 'flow', 'manage', 'config.ts'],
  app: [
    'domain',
    'lib',
    'destinations',
    'store',
    'cache',
    'telemetry',
    'flow',
    'manage',
    'services',
    'services/dispatch',
    'redis',
    'http',
    'config.ts',
  ],
  'app.ts': ['http', 'app'],
  cli: ['domain', 'lib', 'store', 'telemetry', 'redis', 'settings', 'config.ts', 'app', 'app.ts'],
  'main.ts': ['cli'],
}

/** What the others see of the parts that have several implementations. */
const PORTS: Readonly<Record<string, readonly string[]>> = {
  store: ['store/store.ts', ...sources.map(({ path }) => path).filter((path) => path.startsWith('store/port/'))],
  destinations: ['destinations/driver.ts', 'destinations/guard.ts'],
}

/** Beside Node's own pure parts, each of these is the affair of one or two parts. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  fastify: ['http'],
  '@fastify/cors': ['http'],
  '@fastify/swagger': ['http'],
  '@fastify/swagger-ui': ['http'],
  'fastify-type-provider-zod': ['http'],
  ioredis: ['redis'],
  jose: ['lib'],
  'lru-cache': ['cache', 'lib'],
  pg: ['store'],
  pino: ['lib'],
  'prom-client': ['telemetry'],
  svix: ['destinations'],
  undici: ['destinations'],
  zod: ['flow', 'http', 'sources'],
  'node:buffer': ['domain', 'flow', 'sources'],
  'node:crypto': ['domain', 'sources', 'store', 'http', 'app', 'cli'],
  'node:dns': ['destinations'],
  'node:fs': ['lib', 'destinations', 'http', 'store', 'cli'],
  'node:http': ['http', 'cli'],
  'node:module': ['http'],
  'node:net': ['destinations', 'http', 'app', 'app.ts', 'cli'],
  'node:os': ['destinations', 'store'],
  'node:path': ['store'],
  'node:sqlite': ['store'],
  'node:util': ['destinations', 'cli'],
  'node:worker_threads': ['store'],
  'node:zlib': ['lib'],
}

/** Whoever needs the time or a random number is given it. These give it, or guard against what has no clock. */
const TIME_AND_CHANCE: Readonly<Record<string, readonly string[]>> = {
  'app/ground.ts': ['Math.random'],
  'cli/ending.ts': ['setTimeout'],
  'destinations/ends-in-turns.ts': ['setImmediate'],
  'lib/clock.ts': ['Date.now', 'setTimeout'],
  // The time of a log line is when it is written, whatever the clock of a test says.
  'lib/log.ts': ['Date.now', 'setImmediate'],
  // The threads have their own clock; what durable work is about gets its times passed in.
  'store/shared/batcher.ts': ['setImmediate'],
  'store/sqlite/thread.ts': ['Date.now', 'setInterval'],
}

const LINES_MAX = 300
/** Tables of data. */
const LONGER: readonly string[] = ['store/postgres/migrations.ts', 'store/sqlite/migrations.ts']

test('the sources are found, with what they import', () => {
  expect(sources.length).toBeGreaterThan(50)
  expect(sources.flatMap(({ files }) => files).length).toBeGreaterThan(200)
})

test.each(Object.entries(MAY_IMPORT))('%s imports only from %j and itself', (part, allowed) => {
  const ofPart = sources.filter(({ path }) => partOf(path) === part)
  expect(ofPart).not.toEqual([])
  const wrong = ofPart.flatMap(({ path, files }) =>
    files.filter((to) => partOf(to) !== part && !allowed.includes(partOf(to))).map((to) => `${path} → ${to}`),
  )
  expect(wrong).toEqual([])
})

test('every part is known, and every import leads to a file', () => {
  const paths = new Set(sources.map(({ path }) => path))
  expect(new Set(sources.map(({ path }) => partOf(path)))).toEqual(new Set(Object.keys(MAY_IMPORT)))
  expect(sources.flatMap(({ files }) => files).filter((to) => !paths.has(to))).toEqual([])
})

/** Only these know which stores and drivers there are. */
const ROOTS = ['app/store.ts', 'app/drivers.ts', 'cli/database.ts', 'cli/signing-secret.ts']

test.each(Object.entries(PORTS))('only the composition sees more of %s than its ports', (part, ports) => {
  const wrong = sources
    .filter(({ path }) => partOf(path) !== part && !ROOTS.includes(path))
    // A setting is checked by the code that will read it.
    .filter(({ path }) => partOf(path) !== 'settings')
    .flatMap(({ path, files }) =>
      files.filter((to) => partOf(to) === part && !ports.includes(to)).map((to) => `${path} → ${to}`),
    )
  expect(wrong).toEqual([])
})

test('ARCHITECTURE.md draws who may import whom as it is', () => {
  const text = readFileSync(join(import.meta.dirname, '../ARCHITECTURE.md'), 'utf8')
  const [, table = ''] = /^\| part \| may import \|.*\n\|[-|]+\n((?:\|.*\n)+)/m.exec(text) ?? []
  const drawn = table
    .trimEnd()
    .split('\n')
    .map((row) => row.split('|').slice(1, 3))
    .map((cells) => cells.map((cell) => Array.from(cell.matchAll(/`([^`]+)`/g), ([, name = '']) => name)))
  expect(Object.fromEntries(drawn.map(([part, allowed]) => [part![0], allowed]))).toEqual(MAY_IMPORT)
})

test('a package is used where it belongs and nowhere else', () => {
  const wrong = sources.flatMap(({ path, packages }) =>
    packages.filter((name) => !PACKAGES[name]?.includes(partOf(path))).map((name) => `${path} → ${name}`),
  )
  expect(wrong).toEqual([])
})

test('no import goes in a circle', () => {
  const filesOf = new Map(sources.map(({ path, files }) => [path, files]))
  const done = new Set<string>()
  const circles: string[] = []
  const visit = (path: string, above: readonly string[]) => {
    if (above.includes(path)) circles.push([...above.slice(above.indexOf(path)), path].join(' → '))
    else if (!done.has(path)) {
      for (const to of filesOf.get(path) ?? []) visit(to, [...above, path])
      done.add(path)
    }
  }
  for (const { path } of sources) visit(path, [])
  expect(circles).toEqual([])
})

test('no file only hands on what others export', () => {
  const isBarrel = ({ path, code }: Source) => /(^|\/)index\.ts$/.test(path) || /\bexport \* from\b/.test(code)
  expect(sources.filter(isBarrel).map(({ path }) => path)).toEqual([])
})

/** Whoever says which endpoint is meant, or makes it, has to name what it is. The others ask whether it is managed. */
const NAMES_A_KIND: readonly string[] = [
  'domain/endpoint.ts', // the kind of endpoints that say nothing
  'http/schemas.ts', // the word that stands for an id in paths
  'manage/svix-endpoint.ts', // makes the managed endpoint
]

test('a kind of destination is named by its own files and where it is made', () => {
  const wrong = sources
    .filter(({ path }) => !path.startsWith('destinations/') && !NAMES_A_KIND.includes(path))
    .filter(({ code }) => /\bkind(:| ===| !==) '(http|svix)'/.test(code) || /(===|!==) '(http|svix)'/.test(code))
  expect(wrong.map(({ path }) => path)).toEqual([])
})

describe('time and chance', () => {
  const used = Object.fromEntries(
    sources
      .map(({ path, code }) => {
        const found = code.matchAll(
          /\b(Date\.now|Math\.random|setTimeout|setInterval|setImmediate|randomUUID|new Date\(\))(?=\W|$)/g,
        )
        return [path, [...new Set(Array.from(found, ([text]) => text))].toSorted()] as const
      })
      .filter(([, found]) => found.length > 0),
  )

  test('are passed in, but for the places that are listed', () => {
    expect(used).toEqual(TIME_AND_CHANCE)
  })

  test('are not imported by another name', () => {
    const modules = ['node:timers', 'node:timers/promises', 'node:perf_hooks', 'timers', 'perf_hooks']
    expect(sources.filter(({ packages }) => packages.some((name) => modules.includes(name)))).toEqual([])
  })
})

test('the counts of what a node holds are changed in one file, and those of turns in another', () => {
  const owners = {
    'services/dispatch/lanes.ts': /\.(size|bytes|claimed|reserved|inFlight|unrecorded)\b(?: [-+]?= |\+\+|--)/,
    'services/dispatch/turns.ts': /\.(underWay|underWayOf\[\w+\]|isLight|line)(?: [-+]?= |\+\+|--)/,
  }
  const ofDispatch = sources.filter(({ path }) => partOf(path) === 'services/dispatch')
  for (const [owner, change] of Object.entries(owners))
    expect(ofDispatch.filter(({ code }) => change.test(code)).map(({ path }) => path)).toEqual([owner])
})

test(`no file is longer than ${LINES_MAX} lines`, () => {
  expect(
    sources
      .filter(({ path, lines }) => lines > LINES_MAX && !LONGER.includes(path))
      .map(({ path, lines }) => `${path}: ${lines}`),
  ).toEqual([])
})

describe('a test file', () => {
  const root = join(import.meta.dirname, '..')
  const files = globSync('{src,test}/**/*.test.ts', { cwd: root }).map((path) => path.replaceAll('\\', '/'))
  const matches = (path: string, globs: readonly string[]) => globs.some((glob) => matchesGlob(path, glob))
  const projectsOf = (path: string) =>
    Object.entries(PROJECTS)
      .filter(([, { include, exclude }]) => matches(path, include) && !matches(path, exclude))
      .map(([name]) => name)

  test('belongs to exactly one project of test/projects.ts', () => {
    expect(files.length).toBeGreaterThan(100)
    expect(files.map((path) => [path, projectsOf(path)]).filter(([, projects]) => projects!.length !== 1)).toEqual([])
  })

  test('that starts a PostgreSQL or a Redis belongs to the project of those, or to soak', () => {
    const seen = new Map<string, boolean>([
      ['test/postgres-server.ts', true],
      ['test/redis-server.ts', true],
    ])
    const startsServer = (path: string): boolean => {
      const known = seen.get(path)
      if (known !== undefined) return known
      seen.set(path, false)
      const imports = readFileSync(join(root, path), 'utf8').matchAll(/\bfrom '(\.[^']+)'/g)
      const found = Array.from(imports, ([, to]) => normalize(join(dirname(path), to!)).replaceAll('\\', '/'))
        .filter((to) => to.startsWith('test/') && to.endsWith('.ts'))
        .some(startsServer)
      seen.set(path, found)
      return found
    }
    const wrong = files.filter(startsServer).filter((path) => !['servers', 'soak'].includes(projectsOf(path)[0]!))
    expect(wrong).toEqual([])
  })
})
