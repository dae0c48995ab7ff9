import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eventually, Program, temporaryDirectory } from './acceptance/gateway.ts'

const DEMO = join(import.meta.dirname, '../demo/run.ts')

test('the demo shows a gateway at work, and Ctrl-C ends all of it and removes its folder', async () => {
  using directory = temporaryDirectory()
  await using program = new Program(directory.path, { TMPDIR: directory.path }, ['--rate', '20'], [DEMO])
  const said = (pattern: RegExp) => program.stdout.map((line) => pattern.exec(line)?.[1]).find(Boolean)
  const gateway = await eventually(() => said(/^gateway +(http\S+)/))
  const folder = await eventually(() => said(/^database +(\S+)\/hookferry\.db/))
  await eventually(async () => {
    const stats = (await (await fetch(`${gateway}/stats`)).json()) as { total_messages: number }
    return stats.total_messages > 1
  })
  const outcomes = ['success', 'failed_attempt'].map((one) => `hookferry_attempts_total{outcome="${one}"}`)
  await eventually(async () => {
    const metrics = await (await fetch(`${gateway}/metrics`)).text()
    return outcomes.every((line) => metrics.includes(line))
  })

  program.signal('SIGINT')
  expect([await program.exited(), program.stderr]).toEqual([0, ''])
  expect(existsSync(folder)).toBe(false)
  await expect(fetch(`${gateway}/health/live`)).rejects.toThrow('fetch failed')
})
