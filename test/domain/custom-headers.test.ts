import { validateHeaderName, validateHeaderValue } from 'node:http'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { customHeaderProblem, HIDDEN_VALUE, hideSensitive, restoreHidden } from '../../src/domain/custom-headers.ts'

const problem = (name: string, value = 'x') => customHeaderProblem(name, value)

test.each([
  'Authorization',
  'X-Api-Key',
  'x_underscore',
  'Accept',
  'Cookie',
  'traceparent',
  'X-Webhook-Source',
  'Origin',
  'Referer',
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
  'webhook_signature',
  'Svix_Id',
  'x_hub_signature_256',
  'CONTENT_LENGTH',
  'transfer_encoding',
  'Proxy-Connection',
  'HTTP2-Settings',
  'Sec-WebSocket-Key',
  'sec_fetch_site',
  'X-Forwarded-For',
  'X_Forwarded_Host',
  'Forwarded',
  'Via',
  'X-Real-IP',
  'Date',
  '__proto__',
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

test('what is hidden comes back as it was, whatever case its name has then', () => {
  const before = { Authorization: 'Bearer abc', 'X-Api-Key': 'k', 'X-Team': 'a' }
  const shown = hideSensitive(before)
  expect(shown).toEqual({ Authorization: HIDDEN_VALUE, 'X-Api-Key': HIDDEN_VALUE, 'X-Team': 'a' })
  expect(restoreHidden(shown, before)).toEqual({ headers: before })
  expect(restoreHidden({ authorization: HIDDEN_VALUE, 'x-api-key': null }, before)).toEqual({
    headers: { authorization: 'Bearer abc', 'x-api-key': null },
  })
  expect(restoreHidden({ cookie: HIDDEN_VALUE }, before)).toEqual({ missing: 'cookie' })
  expect(restoreHidden({ 'x-team': HIDDEN_VALUE }, before)).toEqual({ headers: { 'x-team': HIDDEN_VALUE } })
})
