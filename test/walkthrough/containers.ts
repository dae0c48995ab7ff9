// npm run walkthrough [-- bash|zsh …]
//
// Pastes the README's commands into a shell, as a reader does who has Docker only, and checks what they come to. It works in a
// copy of the checkout, without its .env. Containers, networks and the volume are named after the copy and removed at the end.
// LISTEN_PORT and TRY_NETWORK are passed on.

import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { problemsOf } from './expectations.ts'
import { piecesOf } from './readme.ts'
import { paste, type Shell } from './shell.ts'

const ROOT = join(import.meta.dirname, '../..')
/** The folder's name, which Compose puts before all other names. */
const PROJECT = 'hookferry-walkthrough'
const NOT_COPIED = /^(?:node_modules|\.git|\.env|data|dist|coverage)(?:\/|$)/
/** The image is built in it. */
const TIMEOUT_MS = 15 * 60_000

const say = (text: string): void => void process.stdout.write(`${text}\n`)

const { LISTEN_PORT = '8000', TRY_NETWORK = '10.251.17' } = process.env
/** What a shell has to begin with; the rest, such as the secret, comes from the README. */
const environment = {
  PATH: process.env['PATH'],
  HOME: process.env['HOME'],
  LISTEN_PORT,
  TRY_NETWORK,
}

const folder = mkdtempSync(join(tmpdir(), 'hookferry-'))
const checkout = join(folder, PROJECT)

/** What it printed on standard output. */
function docker(...args: string[]): string {
  const { error, stdout } = spawnSync('docker', args, { cwd: checkout, env: environment, encoding: 'utf8' })
  if (error !== undefined) throw error
  return stdout
}

const isPodman = spawnSync('docker', ['--version'], { encoding: 'utf8' }).stdout.includes('podman')

/** podman-compose 1.0 makes networks without their addresses, but takes one that is there. */
function makeNetworkForPodman(): void {
  const addresses = ['--subnet', `${TRY_NETWORK}.0/29`, '--gateway', `${TRY_NETWORK}.6`]
  docker('network', 'create', '--internal', ...addresses, '--ip-range', `${TRY_NETWORK}.0/30`, `${PROJECT}_try`)
}

/** Its `exec` sets the settings that are not set to `None`. */
const forPodman = (text: string): string =>
  text.replaceAll('docker compose exec -T api', `docker exec ${PROJECT}_api_1`)

function removeAll(): void {
  docker('compose', '--profile', 'try', 'down', '-v')
  if (isPodman) docker('network', 'rm', `${PROJECT}_try`, `${PROJECT}_default`)
}

/** Resolves with what is wrong. */
async function walk(shell: Shell, home: string): Promise<string[]> {
  const readme = readFileSync(join(checkout, 'README.md'), 'utf8')
  const pieces = piecesOf(readme, 'docker')
    .map(({ text }) => text.replaceAll('localhost:8000', `localhost:${LISTEN_PORT}`))
    .map((text) => (isPodman ? forPodman(text) : text))
  if (isPodman) makeNetworkForPodman()
  try {
    const results = await paste(pieces, { shell, directory: checkout, home, environment, timeoutMs: TIMEOUT_MS })
    const shown = results.find(({ text }) => text === 'docker compose logs receiver')?.stdout ?? ''
    const problems = problemsOf(results, shown)
    say(`${shell}: ${pieces.length} pieces, ${results.flatMap(({ statuses }) => statuses).length} answers`)
    if (problems.length > 0) say(docker('compose', 'logs', 'api', 'receiver'))
    return problems
  } finally {
    removeAll()
  }
}

const isShell = (name: string): name is Shell => name === 'bash' || name === 'zsh'
const named = process.argv.slice(2)
const unknown = named.filter((name) => !isShell(name))
if (unknown.length > 0) throw new Error(`the shells are bash and zsh, not ${unknown.join(' ')}`)
try {
  cpSync(ROOT, checkout, { recursive: true, filter: (path) => !NOT_COPIED.test(relative(ROOT, path)) })
  const home = join(folder, 'home')
  mkdirSync(home)
  for (const shell of named.length > 0 ? named.filter(isShell) : (['bash', 'zsh'] as const))
    for (const problem of await walk(shell, home)) {
      say(`${shell}: ${problem}`)
      process.exitCode = 1
    }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
