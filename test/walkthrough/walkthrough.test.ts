/**
 * The README, pasted into a shell line by line after `make run`. `npm run walkthrough` does the same with containers.
 * Ports are the only thing that is changed: a test takes free ones.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { eventually, Program, send, temporaryDirectory } from '../acceptance/gateway.ts'
import { problemsOf } from './expectations.ts'
import { piecesOf, routesOf, SECTIONS } from './readme.ts'
import { paste, type Shell } from './shell.ts'

const ROOT = join(import.meta.dirname, '../..')
const README = readFileSync(join(ROOT, 'README.md'), 'utf8')
const MINUTE_MS = 60_000

/** Nothing but what `.env` says, as with `make run`. */
const ONLY_ENV_FILE = {
  DATABASE_URL: undefined,
  WEBHOOK_SECRET: undefined,
  ALLOWED_SUBNETS: undefined,
  RETRY_SCHEDULE: undefined,
}

/** What is slow in a reader's terminal is waited for, and no longer. It waits for what the next line shows. */
const WAIT =
  `for n in $(seq 600); do curl -qs localhost:8000/subscriptions/$FAIL/attempts` +
  ` | grep -q '"outcome":"failure"' && break; sleep 0.1; done`

function isMissing(shell: Shell): boolean {
  try {
    execFileSync(shell, ['-c', 'true'])
    return false
  } catch {
    if (process.env['HOOKFERRY_REQUIRE_SERVERS'] === '1')
      throw new Error(`${shell} is not on PATH, and HOOKFERRY_REQUIRE_SERVERS is set`)
    process.stderr.write(`The walkthrough in ${shell} is skipped: it is not on PATH.\n`)
    return true
  }
}

/** A checkout with a fresh `.env`, a gateway and a receiver. */
async function start(stack: AsyncDisposableStack, directory: string) {
  for (const name of ['package.json', 'src', 'node_modules']) symlinkSync(join(ROOT, name), join(directory, name))
  await using init = new Program(directory, ONLY_ENV_FILE, ['init'])
  expect(await init.exited()).toBe(0)
  const main = ['--env-file=.env', join(ROOT, 'src/main.ts')]
  const gateway = stack.use(new Program(directory, ONLY_ENV_FILE, [], main))
  const receiver = stack.use(new Program(directory, {}, ['receiver', '--port', '0']))
  const address = new URL(await gateway.address())
  const hook = await eventually(() => /http:\/\/127\.0\.0\.1:(\d+)/.exec(receiver.stdout[0] ?? '')?.[1])
  return { port: address.port, receiver, receiverPort: hook }
}

const shells = (['bash', 'zsh'] as const).filter((shell) => !isMissing(shell))

describe.each(shells)('the README, pasted into %s', (shell) => {
  test('works after make run', { timeout: MINUTE_MS * 2 }, async () => {
    using directory = temporaryDirectory()
    await using stack = new AsyncDisposableStack()
    const { port, receiver, receiverPort } = await start(stack, directory.path)
    const pieces = piecesOf(README, 'checkout').map(({ text }) =>
      text
        .replaceAll(/^sleep \d+$/gm, WAIT)
        .replaceAll('localhost:8000', `localhost:${port}`)
        .replaceAll('127.0.0.1:9000', `127.0.0.1:${receiverPort}`),
    )
    const home = join(directory.path, 'home')
    mkdirSync(home)
    const PATH = `${join(ROOT, 'node_modules/.bin')}:${process.env['PATH']}`
    const results = await paste(pieces, {
      shell,
      directory: directory.path,
      home,
      environment: { PATH, HOME: home },
      timeoutMs: MINUTE_MS,
    })
    expect(problemsOf(results, receiver.stdout.join('\n'))).toEqual([])
  })
})

describe('the README', () => {
  test('has commands in each section of the walkthrough', () => {
    for (const way of ['docker', 'checkout'] as const)
      expect([...new Set(piecesOf(README, way).map(({ section }) => section))]).toEqual(SECTIONS)
  })

  test('has a row for each route', async () => {
    using directory = temporaryDirectory()
    await using gateway = new Program(directory.path)
    const answer = await send(`${await gateway.address()}/openapi.json`)
    const { paths } = answer.json<{ paths: Record<string, object> }>()
    const served = Object.entries(paths)
      .filter(([path]) => !path.startsWith('/api/v1/'))
      .flatMap(([path, operations]) => Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`))
    const plain = (route: string) => route.replaceAll(/\{\w+\}/g, '{}')
    const rows = new Set(routesOf(README).map(plain))
    expect(served.length).toBeGreaterThan(15)
    expect(served.filter((route) => !rows.has(plain(route)) && !route.startsWith('OPTIONS '))).toEqual([])
  })
})
