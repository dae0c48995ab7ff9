// npm run attack [-- name … --log FILE --attempts N]
//
// Each attack starts gateways of its own, does what a hostile stranger, tenant, receiver or name server would do, and
// asserts the bounds of docs/security.md. All traffic stays on loopback, and every attack ends by itself.

import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { stopAll } from '../bench/processes.ts'
import type { Attack } from './attack.ts'
import { ATTACKS } from './attacks.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { log: { type: 'string', default: '/dev/null' }, attempts: { type: 'string' } },
})

const ATTEMPTS_MAX = 10_000_000
const attempts = values.attempts === undefined ? null : Number(values.attempts)
if (attempts !== null && !(Number.isInteger(attempts) && attempts > 0 && attempts <= ATTEMPTS_MAX))
  throw new Error(`--attempts has to be a whole number from 1 to ${ATTEMPTS_MAX}`)

async function main(folder: string): Promise<boolean> {
  const names = positionals.length > 0 ? positionals : Object.keys(ATTACKS)
  let held = true
  for (const name of names) {
    const attack: Attack | undefined = ATTACKS[name]
    if (attack === undefined) throw new Error(`no attack ${name}; there are ${Object.keys(ATTACKS).join(', ')}`)
    process.stdout.write(`${name}: ${attack.about}\n`)
    const checks = await attack.run({ folder: await mkdtemp(join(folder, `${name}-`)), logFile: values.log, attempts })
    for (const { what, holds } of checks) process.stdout.write(`  ${holds ? 'held' : 'BROKEN'}  ${what}\n`)
    held = checks.every(({ holds }) => holds) && held
    await stopAll()
  }
  return held
}

const folder = await mkdtemp(join(tmpdir(), 'hookferry-attack-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

async function clearUp(exitCode: number): Promise<never> {
  await stopAll()
  process.exit(exitCode)
}

// The first reason to leave counts: stopping the processes makes whoever waits for them fail.
let leaving: Promise<never> | undefined
const leave = (exitCode: number): Promise<never> => (leaving ??= clearUp(exitCode))

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void leave(130))

try {
  await leave((await main(folder)) ? 0 : 1)
} catch (error) {
  if (!leaving) process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
  await leave(1)
}
