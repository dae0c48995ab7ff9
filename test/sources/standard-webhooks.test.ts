import { describe, expect, test } from 'vitest'
import { parseSecret } from '../../src/domain/secret.ts'
import { signStandard } from '../../src/domain/signature.ts'
import { standardWebhooks, TOLERANCE_MS } from '../../src/sources/standard-webhooks.ts'
import { sourceRequest } from './requests.ts'

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const AT_S = 1_700_000_000
const BODY = '{"n":1}'
const signature = signStandard(parseSecret(SECRET), 'msg_1', AT_S, Buffer.from(BODY))
const genuine = (family: string): Record<string, string | string[]> => ({
  [`${family}-id`]: 'msg_1',
  [`${family}-timestamp`]: String(AT_S),
  [`${family}-signature`]: signature,
})
const check = (headers: Record<string, string | string[]>, { body = BODY, now = AT_S * 1_000, secret = SECRET } = {}) =>
  standardWebhooks(TOLERANCE_MS)(sourceRequest({ headers, body }), [secret], now)

test.each(['webhook', 'svix'])('a genuine request with %s- headers is taken', (family) => {
  expect(check(genuine(family))).toBeNull()
})

describe('the step that failed is named', () => {
  test.each([
    ['no headers', {}, {}, 'header_missing'],
    ['no timestamp', { 'webhook-timestamp': [] }, {}, 'timestamp_missing'],
    ['a timestamp in words', { 'webhook-timestamp': 'today' }, {}, 'timestamp_malformed'],
    ['an id that came twice', { 'webhook-id': ['msg_1', 'msg_1'] }, {}, 'header_repeated'],
    ['another body', {}, { body: '{}' }, 'signature_mismatch'],
    ['another secret', {}, { secret: 'whsec_AAAA' }, 'signature_mismatch'],
    ['an old request', {}, { now: AT_S * 1_000 + TOLERANCE_MS + 1 }, 'timestamp_too_old'],
    ['a request of tomorrow', {}, { now: AT_S * 1_000 - TOLERANCE_MS - 1 }, 'timestamp_in_future'],
    ['an old forged one', {}, { body: '{}', now: AT_S * 1_000 + TOLERANCE_MS + 1 }, 'signature_mismatch'],
  ])('%s', (name, changed, other, reason) => {
    const headers = name === 'no headers' ? {} : { ...genuine('webhook'), ...changed }
    expect(check(headers, other)?.reason).toBe(reason)
  })
})

test('nothing is read from one family and something from the other', () => {
  const mixed = { ...genuine('webhook'), 'webhook-id': [], 'svix-id': 'msg_1' }
  expect(check(mixed)?.reason).toBe('header_missing')
})

test('a tolerance of zero takes a request of any age', () => {
  const request = sourceRequest({ headers: genuine('webhook'), body: BODY })
  expect(standardWebhooks(0)(request, [SECRET], AT_S * 2_000)).toBeNull()
})
