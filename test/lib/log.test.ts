import { describe, expect, test } from 'vitest'
import { createLog } from '../../src/lib/log.ts'

function logAt(level: string) {
  const lines: string[] = []
  const { log, flush } = createLog(level, { write: (line) => void lines.push(line) })
  return { log, flush, lines }
}

test('a line is one JSON object with its level in capitals, the time, and what was given', () => {
  const { log, lines } = logAt('INFO')
  log.info({ request_id: 'r1', nested: { a: [1, null] } }, 'request')
  const [line] = lines
  expect(lines).toHaveLength(1)
  expect(line).toMatch(/^\{"level":"INFO","ts":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",.*\}\n$/)
  expect(JSON.parse(line!)).toEqual({
    level: 'INFO',
    ts: expect.any(String),
    request_id: 'r1',
    nested: { a: [1, null] },
    msg: 'request',
  })
  expect(Math.abs(Date.parse(JSON.parse(line!).ts) - Date.now())).toBeLessThan(60_000)
})

test('a value with line breaks does not break the line', () => {
  const { log, lines } = logAt('info')
  log.warn({ error: 'one\ntwo\r\u{2028}' }, 'three\nfour')
  expect(lines).toHaveLength(1)
  expect(lines[0]?.trimEnd()).not.toContain('\n')
  expect(JSON.parse(lines[0]!).error).toBe('one\ntwo\r\u{2028}')
})

describe('the level', () => {
  test.each([
    ['TRACE', ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL']],
    ['debug', ['DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL']],
    ['Info', ['INFO', 'WARN', 'ERROR', 'FATAL']],
    ['WARN', ['WARN', 'ERROR', 'FATAL']],
    ['WARNING', ['WARN', 'ERROR', 'FATAL']],
    ['error', ['ERROR', 'FATAL']],
    ['CRITICAL', ['FATAL']],
    ['fatal', ['FATAL']],
    ['SILENT', []],
  ])('%s lets through %j', (level, expected) => {
    const { log, lines } = logAt(level)
    log.trace('x')
    log.debug('x')
    log.info('x')
    log.warn('x')
    log.error('x')
    log.fatal('x')
    expect(lines.map((line) => JSON.parse(line).level)).toEqual(expected)
  })
})

test('flushing something that has nothing to flush is harmless', () => {
  const { flush } = logAt('info')
  expect(flush).not.toThrow()
})
