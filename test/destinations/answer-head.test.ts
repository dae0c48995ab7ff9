import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AnswerHead } from '../../src/destinations/answer-head.ts'

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

/** What is left of the text, which comes in these pieces, and what is known then. */
function read(...pieces: string[]) {
  const head = new AnswerHead()
  const passed = pieces.map((piece) => head.take(Buffer.from(piece, 'latin1')).toString('latin1')).join('')
  return { passed, status: head.status, interim: head.interim }
}

describe('an answer', () => {
  test.each([
    ['as it mostly is', OK, OK, 200, 0],
    ['with no reason phrase', 'HTTP/1.1 204\r\n\r\n', 'HTTP/1.1 204\r\n\r\n', 204, 0],
    ['of HTTP/1.0, with line feeds alone', 'HTTP/1.0 500 X\n\n', 'HTTP/1.0 500 X\n\n', 500, 0],
    ['after a 100', `HTTP/1.1 100 Continue\r\n\r\n${OK}`, OK, 200, 1],
    ['after a 100 with line feeds alone', `HTTP/1.1 100 Continue\n\n${OK}`, OK, 200, 1],
    ['after a 100 with headers', `HTTP/1.1 100 Continue\r\nDate: x\r\nA: b\r\n\r\n${OK}`, OK, 200, 1],
    ['after several', `${'HTTP/1.1 100 \r\n\r\nHTTP/1.1 103 Hints\r\nlink: <a>\r\n\r\n'.repeat(3)}${OK}`, OK, 200, 6],
    ['after a 100 and a line break too many', `HTTP/1.1 100 C\r\n\r\n\r\n${OK}`, OK, 200, 1],
    ['that switches protocols', 'HTTP/1.1 101 S\r\n\r\nrest', 'HTTP/1.1 101 S\r\n\r\nrest', 101, 0],
    ['whose body looks like one', `${OK}HTTP/1.1 100 C\r\n\r\n`, `${OK}HTTP/1.1 100 C\r\n\r\n`, 200, 0],
  ])('%s leaves its final status and what follows, in whatever pieces it comes', (_, text, ...expected) => {
    const [passed, status, interim] = expected
    expect(read(text)).toEqual({ passed, status, interim })
    expect(read(...text.split(''))).toEqual({ passed, status, interim })
    fc.assert(
      fc.property(fc.array(fc.nat(text.length)), (cuts) => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), text.length]
        expect(read(...at.slice(1).map((end, i) => text.slice(at[i], end)))).toEqual({ passed, status, interim })
      }),
      { numRuns: 50 },
    )
  })

  test.each([
    'SSH-2.0-OpenSSH_9.6\r\n',
    'HTTP/1.1 2000 OK\r\n\r\n',
    'HTTP/1.1 099 X\r\n\r\n',
    'HTTP/1.1  200 OK\r\n\r\n',
    'HTTP/1.1 20',
    'http/1.1 200 OK\r\n\r\n',
    '<html>',
  ])('that is none has no status: %j', (text) => {
    expect(read(text).status).toBe(0)
  })

  test('of any bytes at all is passed on unchanged, but for line breaks before it and the beginning of a status line', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), (pieces) => {
        const head = new AnswerHead()
        const passed = Buffer.concat(pieces.map((piece) => head.take(Buffer.from(piece)))).toString('latin1')
        const given = Buffer.concat(pieces)
          .toString('latin1')
          .replace(/^[\r\n]+/, '')
        expect(passed === given || 'HTTP/1.1 100'.startsWith(given)).toBe(true)
      }),
    )
  })

  test('on the same connection is read like the first', () => {
    const head = new AnswerHead()
    head.take(Buffer.from(OK))
    head.begin()
    expect(head.take(Buffer.from(`HTTP/1.1 100 C\r\n\r\n${OK.replace('200', '404')}`)).toString()).toContain('404')
    expect([head.status, head.interim]).toEqual([404, 1])
  })
})
