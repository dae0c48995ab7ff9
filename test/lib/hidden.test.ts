import { format, inspect } from 'node:util'
import { expect, test } from 'vitest'
import { Hidden } from '../../src/lib/hidden.ts'
import { createLog } from '../../src/lib/log.ts'

const hidden = new Hidden('swordfish')

test('a hidden text is revealed to whoever asks for it', () => {
  expect(hidden.reveal()).toBe('swordfish')
  expect(hidden.length).toBe(9)
})

test.each<[string, () => string]>([
  ['a template', () => `key ${hidden as unknown as string}`],
  ['an addition', () => 'key ' + (hidden as unknown as string)],
  ['JSON', () => JSON.stringify({ keys: [hidden] })],
  ['inspect', () => inspect({ keys: [hidden] }, { depth: 9, showHidden: true })],
  ['format', () => format('%s %o %j', hidden, hidden, hidden)],
  ['an error', () => String(new Error('no', { cause: hidden }).cause)],
  ['a copy of its members', () => JSON.stringify(Object.assign({}, hidden))],
])('%s does not show it', (_, show) => {
  expect(show()).not.toContain('sword')
})

test('the log does not show it', () => {
  const lines: string[] = []
  const { log } = createLog('INFO', { write: (line) => void lines.push(line) })
  log.info({ secrets: { apiKeys: [hidden] }, hidden }, 'started')
  expect(lines).toHaveLength(1)
  expect(lines[0]).toContain('[secret]')
  expect(lines[0]).not.toContain('sword')
})
