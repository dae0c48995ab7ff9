import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { SETTINGS } from '../../src/settings/table.ts'
import { Program, temporaryDirectory } from './gateway.ts'

const SRC = fileURLToPath(new URL('../../src/', import.meta.url))

/** Writes the URL of every module that is loaded to standard error. */
const TELL_MODULES = `data:text/javascript,
  import { registerHooks } from 'node:module'
  import { writeSync } from 'node:fs'
  registerHooks({ load(url, context, next) { writeSync(2, 'loads ' + url + String.fromCharCode(10)); return next(url, context) } })`

async function run(args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  using directory = temporaryDirectory()
  await using program = new Program(directory.path, environment, args)
  return { exitCode: await program.exited(), stdout: program.stdout, stderr: program.stderr }
}

const TELLING_MAIN = ['--import', encodeURI(TELL_MODULES), join(SRC, 'main.ts')]

/** Files of `src/`, and packages, that a program has loaded so far. */
function modulesOf({ stderr }: Program): string[] {
  const urls = Array.from(stderr.matchAll(/^loads (file:.*)$/gm), ([, url = '']) => fileURLToPath(url))
  return urls.map((path) =>
    path.startsWith(SRC) ? path.slice(SRC.length) : (/.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? path),
  )
}

describe('a command loads its own code only', () => {
  async function loadedBy(args: readonly string[]): Promise<string[]> {
    using directory = temporaryDirectory()
    await using program = new Program(directory.path, {}, args, TELLING_MAIN)
    await program.exited()
    return modulesOf(program)
  }

  test.each(['--help', 'help', '--version', 'backup --help', 'nonsense'])(
    '%s nothing but the list of commands',
    async (line) => {
      const modules = await loadedBy(line.split(' '))
      expect(modules.toSorted()).toEqual(['cli/commands.ts', 'lib/version.ts', 'main.ts'])
    },
  )

  test('config the settings, and no package', async () => {
    const modules = await loadedBy(['config'])
    expect(modules).toContain('settings/table.ts')
    expect(
      modules.filter((path) => !/^(main|config|(cli|domain|lib|settings|destinations)\/.*)\.ts$/.test(path)),
    ).toEqual([])
  })
})

describe('the gateway loads what its settings need', () => {
  const PARTS = ['svix', 'pg', 'ioredis', '@fastify/swagger-ui', 'store/sqlite/sqlite-store.ts']
  const partsOf = (program: Program) => PARTS.filter((part) => modulesOf(program).includes(part))

  test('with a SQLite file alone: no SDK, no client of a server; the page of /docs when it is asked for', async () => {
    using directory = temporaryDirectory()
    await using program = new Program(directory.path, {}, [], TELLING_MAIN)
    const address = await program.address()
    expect(modulesOf(program)).toContain('fastify')
    expect(partsOf(program)).toEqual(['store/sqlite/sqlite-store.ts'])
    expect((await fetch(`${address}/docs`)).status).toBe(200)
    expect(partsOf(program)).toEqual(['@fastify/swagger-ui', 'store/sqlite/sqlite-store.ts'])
  })

  test('with SVIX_TOKEN: the SDK', async () => {
    using directory = temporaryDirectory()
    await using program = new Program(directory.path, { SVIX_TOKEN: 'testsk_x', SVIX_APP_ID: 'app' }, [], TELLING_MAIN)
    await program.address()
    expect(partsOf(program)).toEqual(['svix', 'store/sqlite/sqlite-store.ts'])
  })
})

describe('hookferry config', () => {
  const SET = {
    PORT: '8123',
    API_KEY: 'a-key-that-nobody-sees,another-one',
    WEBHOOK_SECRET: 'hidden-1',
    DATABASE_URL: 'postgres://user:hidden-2@db.example/hooks',
    REDIS_URL: 'redis://user:hidden-3@cache.example',
    PROXY_URL: 'http://user:hidden-4@proxy.example:3128',
    SVIX_TOKEN: 'hidden-5',
    SVIX_APP_ID: '/project',
    ENCRYPTION_KEY: Buffer.alloc(32, 1).toString('base64'),
    COMPATIBILITY: 'svix',
    RETRY_SCHEDULE: '',
  }

  test('prints each setting with its value and where it comes from, and no secret', async () => {
    const { exitCode, stdout, stderr } = await run(['config', '--json'], SET)
    expect([exitCode, stderr]).toEqual([0, ''])
    const settings = JSON.parse(stdout.join('\n')) as Record<string, { value: string | null; source: string }>
    expect(Object.keys(settings).toSorted()).toEqual(
      Object.values(SETTINGS)
        .map(({ variable }) => variable)
        .toSorted(),
    )
    expect(settings).toMatchObject({
      PORT: { value: '8123', source: 'environment', isSecret: false },
      RETRY_SCHEDULE: { value: '', source: 'environment' },
      MAX_BODY: { value: '2mb', source: 'preset' },
      DELIVERY_TIMEOUT: { value: '10s', source: 'default' },
      HOST: { value: '0.0.0.0', source: 'default' },
      PUBLIC_URL: { value: 'http://localhost:8123', source: 'default' },
      DNS_SERVERS: { value: null, source: 'default' },
      API_KEY: { value: '[secret]', source: 'environment', isSecret: true },
      JWT_SECRET: { value: null, source: 'default' },
      DATABASE_URL: { value: 'postgres://db.example:5432/hooks' },
      REDIS_URL: { value: 'redis://cache.example:6379' },
      PROXY_URL: { value: 'http://proxy.example:3128' },
      ENCRYPTION_KEY: { value: expect.stringMatching(/^keys [0-9a-f]{8}$/) as string },
    })
    expect(stdout.join()).not.toMatch(/hidden|nobody-sees|another-one|AQEB/)
  })

  test('prints the same as a table', async () => {
    const { exitCode, stdout } = await run(['config'], SET)
    expect(exitCode).toBe(0)
    expect(stdout).toHaveLength(Object.keys(SETTINGS).length)
    expect(stdout).toContainEqual(expect.stringMatching(/^PORT +environment +8123$/))
    expect(stdout).toContainEqual(expect.stringMatching(/^MAX_BODY +preset +2mb$/))
    expect(stdout).toContainEqual(expect.stringMatching(/^DNS_SERVERS +default +unset$/))
    expect(stdout.join()).not.toMatch(/hidden|nobody-sees|another-one|AQEB/)
  })

  test('names what is wrong, and takes no other words', async () => {
    const { exitCode, stdout, stderr } = await run(['config'], { PORT: 'x', MAX_HOPS: 'x' })
    expect([exitCode, stdout]).toEqual([1, []])
    expect(stderr).toMatch(/^hookferry: PORT: .*\nhookferry: MAX_HOPS: .*\n$/)
    expect(await run(['config', '--yaml'])).toMatchObject({ exitCode: 2, stdout: [] })
  })
})

test('a command whose reader has gone ends without a word', () => {
  using directory = temporaryDirectory()
  const env = { PATH: process.env['PATH'], DATABASE_URL: `sqlite:${join(directory.path, 'a.db')}` }
  // The reader ends before the command writes its first line.
  const command = `{ sleep 0.1; "${process.execPath}" "${join(SRC, 'main.ts')}" doctor; } | true`
  const { stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8', cwd: directory.path, env })
  expect(stderr).toBe('')
})
