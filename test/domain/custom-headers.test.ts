import { validateHeaderName, validateHeaderValue } from 'node:http'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { customHeaderProblem } from '../../src/domain/custom-headers.ts'

const problem = (name: string, value = 'x') => customHeaderProblem(name, value)

test.each([
  'Authorization',
  'X-Api-Key',
  'x_underscore',
  'Accept',
  'Cookie',
  'traceparent',
  'X-Webhook-Source',
  "!#$%&'*+-.^_`|~9",
])('an endpoint may set %s', (name) => {
  expect(problem(name, 'Bearer abc.def==')).toBeNull()
})

test.each([
  'Host',
  'HOST',
  'Content-Length',
  'content-type',
  'Content-Encoding',
  'Transfer-Encoding',
  'Connection',
  'Keep-Alive',
  'Upgrade',
  'TE',
  'Trailer',
  'Expect',
  'Proxy-Authorization',
  'User-Agent',
  'X-Hub-Signature-256',
  'x-hub-signature-256',
  'X-Event-Type',
  'webhook-id',
  'Webhook-Signature',
  'webhook-anything',
  'svix-id',
  'SVIX-SIGNATURE',
  'x-svix-trace',
  'X-Amz-Security-Token',
  'X-Google-Real-IP',
  'X-Azure-Ref',
])('an endpoint may not set %s', (name) => {
  expect(problem(name)).toContain('cannot be a custom header')
})

test.each(['', ' ', 'a b', 'a:', 'a\r\nHost', 'naïve', '"quoted"', 'a(b)', 'a\0', 'x\n', '日本'])(
  '%j is no header name',
  (name) => {
    expect(problem(name)).toBe('is not a valid header name')
  },
)

describe('a value', () => {
  test.each(['', ' ', 'plain', 'with\ttab', 'grüße', '\u{ff}', 'a'.repeat(4_096)])('may be %j', (value) => {
    expect(problem('X-Key', value)).toBeNull()
  })

  test.each(['a\r\nHost: evil', 'a\nb', 'a\rb', 'a\0b', '\u{7f}', '\u{1}', 'snow ☃', '日本', '\u{d800}'])(
    'may not be %j',
    (value) => {
      expect(problem('X-Key', value)).toContain('characters that a header cannot carry')
    },
  )
})

test('whatever is let through is a header that Node can send', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1 }), fc.string({ unit: 'binary' }), (name, value) => {
      const send = () => {
        if (customHeaderProblem(name, 'x') === null) validateHeaderName(name)
        if (customHeaderProblem('x-key', value) === null) validateHeaderValue('x-key', value)
      }
      expect(send).not.toThrow()
    }),
  )
})
