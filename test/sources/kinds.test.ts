import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { parseSecret } from '../../src/domain/secret.ts'
import { signStandard } from '../../src/domain/signature.ts'
import { generic } from '../../src/sources/generic.ts'
import { SOURCE_KINDS } from '../../src/sources/kinds.ts'
import { standardWebhooksSource } from '../../src/sources/standard-webhooks-source.ts'
import { type Sample, sourceConformance } from '../conformance/source.ts'
import { sourceRequest } from './requests.ts'

const hmac = (algorithm: string, secret: string, ...chunks: (string | Uint8Array)[]) =>
  chunks.reduce((sum, chunk) => sum.update(chunk), createHmac(algorithm, secret))

const SAMPLES: Record<string, Sample> = {
  'generic, over the body': {
    kind: generic,
    settings: { scheme: [{ header: 'X-Signature', prefix: 'sha256=' }] },
    secrets: ['one', 'two'],
    header: 'X-Signature',
    toleranceMs: null,
    sign: (body, secret) => ({ 'X-Signature': `sha256=${hmac('sha256', secret, body).digest('hex')}` }),
  },
  'generic, over the time and the body, in a list': {
    kind: generic,
    settings: {
      scheme: [
        {
          header: 'Stripe-Signature',
          list: { key: 'v1' },
          content: '{ts}.{body}',
          timestamp: { from: '{list:t}', tolerance: '10s' },
        },
      ],
    },
    secrets: ['one', 'two'],
    header: 'Stripe-Signature',
    toleranceMs: 10_000,
    sign: (body, secret, at) => ({
      'Stripe-Signature': `t=${at / 1_000},v1=${hmac('sha256', secret, `${at / 1_000}.`, body).digest('hex')}`,
    }),
  },
  'generic, base64 of SHA-512 with a decoded key': {
    kind: generic,
    settings: { scheme: [{ alg: 'sha512', encoding: 'base64url', header: 'X-Mac', key: 'hex' }] },
    secrets: ['00ff', 'ff00'],
    header: 'X-Mac',
    toleranceMs: null,
    sign: (body, secret) => ({
      'X-Mac': createHmac('sha512', Buffer.from(secret, 'hex')).update(body).digest('base64url'),
    }),
  },
  'standard-webhooks': {
    kind: standardWebhooksSource,
    settings: {},
    secrets: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'whsec_AAAA'],
    header: 'webhook-signature',
    toleranceMs: 300_000,
    sign: (body, secret, at) => ({
      'webhook-id': 'msg_1',
      'webhook-timestamp': String(at / 1_000),
      'webhook-signature': signStandard(parseSecret(secret), 'msg_1', at / 1_000, body),
    }),
  },
}

for (const [name, sample] of Object.entries(SAMPLES)) sourceConformance(name, sample)

test('every kind has a sample', () => {
  expect(new Set(Object.values(SAMPLES).map(({ kind }) => kind))).toEqual(new Set(SOURCE_KINDS))
})

test('a second id beside the signed one makes no repeat look new', () => {
  const { kind, sign, secrets } = SAMPLES['standard-webhooks']!
  const body = Buffer.from('{}')
  const headers = { ...sign(body, secrets[0], 1_700_000_000_000), 'svix-id': 'msg_2' }
  const source = kind.open(kind.settings.parse({}), { name: 'a', publicUrl: null, eventType: null, dedupe: null })
  expect(source.verify(sourceRequest({ headers, body }), secrets, 1_700_000_000_000)?.reason).toBe('header_malformed')
})

test.each([
  [{ scheme: [] }, ['scheme']],
  [{ scheme: [{ header: 'a b' }] }, ['scheme', 0, 'header']],
  [{ scheme: [{ header: 'X-A', content: '{ts}.{body}' }] }, ['scheme', 0, 'content']],
  [{ scheme: [{ header: 'X-A', content: 'nothing' }] }, ['scheme', 0, 'content']],
  [{ scheme: [{ header: 'X-A', timestamp: { from: 'X-Time' } }] }, ['scheme', 0, 'timestamp']],
  [
    { scheme: [{ header: 'X-A', timestamp: { from: '{list:t}', tolerance: '1y' } }] },
    ['scheme', 0, 'timestamp', 'tolerance'],
  ],
])('a scheme that cannot be is refused at its member: %j', (settings, path) => {
  expect(generic.settings.safeParse(settings).error?.issues[0]?.path).toEqual(path)
})
