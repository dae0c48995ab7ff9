import { createHmac } from 'node:crypto'
import { assert, property, uint8Array } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hmacCheck, type HmacScheme } from '../../src/sources/hmac-scheme.ts'
import { sourceRequest } from './requests.ts'

const PLAIN: HmacScheme = {
  algorithm: 'sha256',
  encoding: 'hex',
  header: 'X-Signature',
  prefix: '',
  list: null,
  repeated: 'refuse',
  content: '{body}',
  unsignedBody: false,
  timestamp: null,
  key: 'utf8',
}
const KV = { groups: null, separator: ',', kv: '=', key: 'v1', positional: false }
const BODY = '{"id":"evt_1","type":"test.created","n":1}'
const AT_S = 1_700_000_000
const NOW = AT_S * 1_000 + 1_000
const FIVE_MINUTES = 300_000

interface Case {
  scheme: Partial<HmacScheme>
  headers: Record<string, string | string[]>
  secrets?: string[]
  body?: string
  query?: string
  publicUrl?: string
  now?: number
}

/** Published by the providers, or worked out from the documented construction over the one body above. */
const GENUINE: Record<string, Case> = {
  'CircleCI, as published': {
    scheme: { header: 'circleci-signature', list: KV },
    headers: { 'circleci-signature': 'v1=734cc62f32841568f45715aeb9f4d7891324e6d948e4c6c60c0621cdac48623a' },
    secrets: ['secret'],
    body: 'hello world',
  },
  'CircleCI with a signature of another version beside it': {
    scheme: { header: 'circleci-signature', list: KV },
    headers: { 'circleci-signature': 'v0=00,v1=daa220016c8f29a8b214fbfc3671aeec2145cfb1e6790184ffb38b6d0425fa00' },
    secrets: ['other', 'another-secret'],
    body: 'lalala',
  },
  'Notion, as published': {
    scheme: { header: 'X-Notion-Signature', prefix: 'sha256=' },
    headers: { 'x-notion-signature': 'sha256=461e8cbcba8a75c3edd866f0e71280f5a85cbf21eff040ebd10fe266df38a735' },
    secrets: ['secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl'],
    body: '{"verification_token":"secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl"}',
  },
  'Box, as published: the body and then the time, by the second key': {
    scheme: {
      encoding: 'base64',
      header: 'BOX-SIGNATURE-SECONDARY',
      content: '{body}{ts}',
      timestamp: { from: '{header:BOX-DELIVERY-TIMESTAMP}', unit: 'iso', toleranceMs: 600_000 },
    },
    headers: {
      'box-signature-secondary': 'v+1CD1Jdo3muIcbpv5lxxgPglOqMfsNHPV899xWYydo=',
      'box-delivery-timestamp': '2020-01-01T00:00:00-07:00',
    },
    secrets: ['SampleSecondaryKey'],
    body: '{"type":"webhook_event","webhook":{"id":"1234567890"},"trigger":"FILE.UPLOADED","source":{"id":"1234567890","type":"file","name":"Test.txt"}}',
    now: Date.UTC(2020, 0, 1, 7, 5),
  },
  'Stripe-like: the time in the list': {
    scheme: {
      header: 'Stripe-Signature',
      list: KV,
      content: '{ts}.{body}',
      timestamp: { from: '{list:t}', unit: 's', toleranceMs: FIVE_MINUTES },
    },
    headers: {
      'stripe-signature': `t=${AT_S},v1=e0248aa75464ff1d7ac9c8097c6a02101012c28ff90896377540a5ba56db6d45,v0=ab`,
    },
  },
  'Slack-like: a version before the time': {
    scheme: {
      header: 'X-Slack-Signature',
      prefix: 'v0=',
      content: 'v0:{ts}:{body}',
      timestamp: { from: '{header:X-Slack-Request-Timestamp}', unit: 's', toleranceMs: FIVE_MINUTES },
    },
    headers: {
      'x-slack-signature': 'v0=9919b27a3e7107bd6510dd5af58e9b326fbb8bd03904c849d94f4acc0d908139',
      'x-slack-request-timestamp': String(AT_S),
    },
  },
  'Orb-like: an ISO time without a zone would do, too': {
    scheme: {
      header: 'X-Orb-Signature',
      prefix: 'v1=',
      content: 'v1:{ts}:{body}',
      timestamp: { from: '{header:X-Orb-Timestamp}', unit: 's', toleranceMs: FIVE_MINUTES },
    },
    headers: {
      'x-orb-signature': 'v1=c1990a5ba6a3bf4fc0e2aa0915d1226cb6c407f4815f44c3c242b6cce6342438',
      'x-orb-timestamp': String(AT_S),
    },
  },
  'Zendesk-like: nothing between time and body': {
    scheme: {
      encoding: 'base64',
      header: 'X-Zendesk-Webhook-Signature',
      content: '{ts}{body}',
      timestamp: { from: '{header:X-Zendesk-Webhook-Signature-Timestamp}', unit: 's', toleranceMs: FIVE_MINUTES },
    },
    headers: {
      'x-zendesk-webhook-signature': 'pZOFaGKbFQUYRqsPCAHIE4wa4os/eiPeZDsgJs4+XUE=',
      'x-zendesk-webhook-signature-timestamp': String(AT_S),
    },
  },
  'Recurly-like: a list by position, in milliseconds': {
    scheme: {
      header: 'recurly-signature',
      list: { groups: null, separator: ',', kv: null, key: null, positional: true },
      content: '{ts}.{body}',
      timestamp: { from: '{list:0}', unit: 'ms', toleranceMs: FIVE_MINUTES },
    },
    headers: {
      'recurly-signature': `${AT_S}000,${'0'.repeat(64)},b37a65f7f9aeeab067a31fb959d4b44d9d761cb96bdfb5b8aedcd5c5fe3e1e9c`,
    },
  },
  'Persona-like: groups that have a time each': {
    scheme: {
      header: 'Persona-Signature',
      list: { groups: ' ', separator: ',', kv: '=', key: 'v1', positional: false },
      content: '{ts}.{body}',
      timestamp: { from: '{list:t}', unit: 's', toleranceMs: FIVE_MINUTES },
    },
    headers: {
      'persona-signature': `t=${AT_S - 9},v1=${'0'.repeat(64)} t=${AT_S},v1=e0248aa75464ff1d7ac9c8097c6a02101012c28ff90896377540a5ba56db6d45`,
    },
  },
  'Twitch-like: three parts without a separator': {
    scheme: {
      header: 'Twitch-Eventsub-Message-Signature',
      prefix: 'sha256=',
      content: '{header:Twitch-Eventsub-Message-Id}{ts}{body}',
      timestamp: { from: '{header:Twitch-Eventsub-Message-Timestamp}', unit: 'iso', toleranceMs: FIVE_MINUTES },
    },
    headers: {
      'twitch-eventsub-message-signature': 'sha256=882ce041408c1755214b74a21a18ea58896d8953ce67b4d7aa4c9f3589b4ddd3',
      'twitch-eventsub-message-id': 'msg1',
      'twitch-eventsub-message-timestamp': '2023-11-14T22:13:20Z',
    },
  },
  'Trello-like: SHA-1 over the body and the registered address': {
    scheme: { algorithm: 'sha1', encoding: 'base64', header: 'X-Trello-Webhook', content: '{body}{url}' },
    headers: { 'x-trello-webhook': 'adSOqZp9/+kOgb6jyglL5knNBIA=' },
    publicUrl: 'https://ex.com/in/trello',
  },
  'LinkedIn-like: a text before the body': {
    scheme: { header: 'X-LI-Signature', content: 'hmacsha256={body}' },
    headers: { 'x-li-signature': '5d3831689c019c59cc3ac1709e15af0d01dd4f4e8b9bbaa767d8e4530da521fe' },
  },
  'SHA-512': {
    scheme: { algorithm: 'sha512', header: 'x-paystack-signature' },
    headers: {
      'x-paystack-signature':
        'f29317b2c49312b5bc863275c98edaaa1fad8280d54bc820f62272b9b572fb65f78fe545daae4d4448932f4e5e79624bab23c093c12f5e6ca5ee5a2a4276b8a5',
    },
  },
  'Mollie-like: the header comes twice while secrets change': {
    scheme: { header: 'X-Mollie-Signature', prefix: 'sha256=', repeated: 'list' },
    headers: {
      'x-mollie-signature': [
        `sha256=${'0'.repeat(64)}`,
        'sha256=3c95b36b5fa723d700acb6f4dda9752f9c5764a5fe59ed0078ac269f8774fb64',
      ],
    },
  },
  'DocuSign-like: numbered headers': {
    scheme: { encoding: 'base64', header: 'X-DocuSign-Signature-{1..100}' },
    headers: {
      'x-docusign-signature-1': 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=',
      'x-docusign-signature-2': 'PJWza1+nI9cArLb03al1L5xXZKX+We0AeKwmn4d0+2Q=',
    },
  },
  'hex in upper case': {
    scheme: {},
    headers: { 'x-signature': '3C95B36B5FA723D700ACB6F4DDA9752F9C5764A5FE59ED0078AC269F8774FB64' },
  },
}

const check = ({ scheme, headers, secrets, body, query, publicUrl, now }: Case) =>
  hmacCheck({ ...PLAIN, ...scheme }, publicUrl ?? null)(
    sourceRequest({ headers, body: body ?? BODY, query: query ?? '' }),
    secrets ?? ['test_secret'],
    now ?? NOW,
  )

describe('a genuine request is taken', () => {
  test.each(Object.entries(GENUINE))('%s', (_, given) => {
    expect(check(given)).toBeNull()
  })
})

describe('it is refused', () => {
  const refused = Object.entries(GENUINE)
  test.each(refused)('with one byte more in its body: %s', (_, given) => {
    expect(check({ ...given, body: `${given.body ?? BODY} ` })?.reason).toBe('signature_mismatch')
  })
  test.each(refused)('with another secret: %s', (_, given) => {
    expect(check({ ...given, secrets: ['another'] })?.reason).toBe('signature_mismatch')
  })
  test.each(refused)('without its headers: %s', (_, given) => {
    expect(check({ ...given, headers: {} })?.reason).toBe('header_missing')
  })
  test.each(refused)('without a secret that is one: %s', (_, given) => {
    expect(check({ ...given, secrets: [''] })?.reason).toBe('secret_unusable')
  })
  test.each(refused.filter(([, { scheme }]) => scheme.timestamp))('once it is too old: %s', (_, given) => {
    expect(check({ ...given, now: (given.now ?? NOW) + 3_600_000 })?.reason).toBe('timestamp_too_old')
    expect(check({ ...given, now: (given.now ?? NOW) - 3_600_000 })?.reason).toBe('timestamp_in_future')
  })
  test('too old only if it is genuine: a forged one learns nothing of the window', () => {
    const given = GENUINE['Slack-like: a version before the time']!
    expect(check({ ...given, body: 'forged', now: NOW + 3_600_000 })?.reason).toBe('signature_mismatch')
  })
})

const SIGNED = '3c95b36b5fa723d700acb6f4dda9752f9c5764a5fe59ed0078ac269f8774fb64'

describe('a header', () => {
  test.each([
    ['that came twice', [SIGNED, SIGNED], 'header_repeated'],
    ['that is too short', SIGNED.slice(1), 'header_malformed'],
    ['in another encoding', 'PJWza1+nI9cArLb03al1L5xXZKX+We0AeKwmn4d0+2Q=', 'header_malformed'],
    ['that is empty', '', 'header_malformed'],
  ])('%s is named as what is wrong', (_, value, reason) => {
    expect(check({ scheme: {}, headers: { 'x-signature': value } })?.reason).toBe(reason)
  })

  test('with a million signatures costs a look at sixteen', () => {
    const many = `t=${AT_S},${Array.from({ length: 1_000_000 }, () => 'v1=00').join(',')}`
    expect(check({ scheme: { list: KV }, headers: { 'x-signature': many } })).toMatchObject({
      reason: 'header_malformed',
      detail: expect.stringContaining('16 signatures') as string,
    })
  })

  test('with more times than four costs no hash', () => {
    const given = GENUINE['Persona-like: groups that have a time each']!
    const groups = Array.from({ length: 5 }, (_, i) => `t=${AT_S + i},v1=${SIGNED}`).join(' ')
    expect(check({ ...given, headers: { 'persona-signature': groups } })?.reason).toBe('header_malformed')
  })
})

test('a time that is named twice is not taken', () => {
  const given = GENUINE['Stripe-like: the time in the list']!
  const twice = `t=${AT_S},${given.headers['stripe-signature'] as string}`
  expect(check({ ...given, headers: { 'stripe-signature': twice } })?.reason).toBe('timestamp_missing')
})

test("a sender's own text may not have the separator in it that follows", () => {
  const scheme = { content: '{header:X-Id}.{body}' }
  const sign = (content: string) => createHmac('sha256', 'test_secret').update(content).digest('hex')
  const cut = (id: string, body: string) =>
    check({ scheme, headers: { 'x-id': id, 'x-signature': sign(`${id}.${body}`) }, body })
  expect(cut('a', 'b.c')).toBeNull()
  // The same signed bytes, cut elsewhere.
  expect(cut('a.b', 'c')?.reason).toBe('header_malformed')
})

test('a member of the body can be a part, and its absence is named', () => {
  const scheme = { content: '{json:/signature/timestamp}{json:/signature/token}', unsignedBody: true }
  const signature = createHmac('sha256', 'test_secret').update('17tok').digest('hex')
  const headers = { 'x-signature': signature }
  expect(check({ scheme, headers, body: '{"signature":{"timestamp":17,"token":"tok"}}' })).toBeNull()
  expect(check({ scheme, headers, body: '{"signature":{"timestamp":17}}' })?.reason).toBe('body_unparsable')
  expect(check({ scheme, headers, body: 'no JSON' })?.reason).toBe('body_unparsable')
})

describe('a key', () => {
  const body = 'b'
  const raw = Buffer.from('0102030405', 'hex')
  const headers = { 'x-signature': createHmac('sha256', raw).update(body).digest('hex') }
  test.each([
    ['hex', '0102030405', 'xyz'],
    ['base64', 'AQIDBAU=', 'not base64!'],
    ['whsec', 'whsec_AQIDBAU=', 'whsec_not base64!'],
    ['whsec', 'AQIDBAU=', ''],
    ['secret', 'whsec_AQIDBAU=', ''],
  ] as const)('written as %s', (key, secret, wrong) => {
    expect(check({ scheme: { key }, headers, body, secrets: [secret] })).toBeNull()
    expect(check({ scheme: { key }, headers, body, secrets: [wrong] })?.reason).toBe('secret_unusable')
  })
})

describe('a scheme that cannot be right says why', () => {
  test.each<[string, Partial<HmacScheme>, string]>([
    ['an unsigned body', { content: '{header:X-Id}' }, 'The content names no {body}'],
    ['a time that nobody names', { content: '{ts}.{body}' }, 'no timestamp is named'],
    ['an address that nobody knows', { content: '{url}{body}' }, 'the source needs a public_url'],
    ['an unknown token', { content: '{body}{secret}' }, '{secret} is no token here'],
    ['a lone brace', { content: '{body}}' }, 'A brace stands alone'],
    ['a header that is none', { header: 'X Signature' }, 'is no token here'],
    [
      'a timestamp from two places',
      { timestamp: { from: '{list:t}{list:u}', unit: 's', toleranceMs: 1 } },
      'is one of',
    ],
  ])('%s', (_, scheme, message) => {
    expect(() => hmacCheck({ ...PLAIN, ...scheme }, null)).toThrow(message)
  })
})

test('every signed body is taken and no other, whatever its bytes', () => {
  const verify = hmacCheck(PLAIN, null)
  assert(
    property(uint8Array({ maxLength: 64 }), uint8Array({ maxLength: 64 }), (signed, sent) => {
      const headers = { 'x-signature': createHmac('sha256', 's').update(signed).digest('hex') }
      const refusal = verify(sourceRequest({ headers, body: sent }), ['s'], NOW)
      expect(refusal === null).toBe(Buffer.from(signed).equals(sent))
    }),
  )
})
