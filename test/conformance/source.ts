/** What every kind of source promises: it takes what is genuine, and nothing else, and never throws. */
import { describe, expect, test } from 'vitest'
import type { SourceKind } from '../../src/sources/kind.ts'
import type { SourceRequest } from '../../src/sources/source.ts'
import { sourceRequest } from '../sources/requests.ts'

export const NOW = 1_700_000_000_000

export interface Sample {
  kind: SourceKind
  /** As an owner would write them. */
  settings: Record<string, unknown>
  secrets: [string, string]
  /** The headers with which a sender would send `body` at `at`, ms since 1970. */
  sign: (body: Uint8Array, secret: string, at: number) => Record<string, string>
  /** The header that has the signature. */
  header: string
  /** Null where nothing of a request says when it was signed. */
  toleranceMs: number | null
}

const BODY = Buffer.from('{"type":"invoice.paid","n":1}')

export function sourceConformance(name: string, sample: Sample): void {
  const { kind, secrets, header } = sample
  const [secret, other] = secrets
  const settings = kind.settings.parse(sample.settings)
  const place = { name: 'shop', publicUrl: null, eventType: null, dedupe: null }
  const source = kind.open(settings, place)
  const signed = (body: Uint8Array, changed: Record<string, string | string[]> = {}): SourceRequest =>
    sourceRequest({ headers: { ...sample.sign(body, secret, NOW), ...changed }, body })
  const reasonFor = (request: SourceRequest, given: readonly string[] = [secret], now = NOW) =>
    source.verify(request, given, now)?.reason ?? null
  const value = (body: Uint8Array) => sample.sign(body, secret, NOW)[header]!

  describe(`${name}:`, () => {
    test('takes a genuine request', () => {
      expect(reasonFor(signed(BODY))).toBeNull()
    })

    test('takes either secret, and neither of others', () => {
      expect(reasonFor(signed(BODY), [other, secret])).toBeNull()
      expect(reasonFor(signed(BODY), [other])).toBe('signature_mismatch')
    })

    test('takes nothing without a secret', () => {
      expect(reasonFor(signed(BODY), [])).not.toBeNull()
    })

    test.each([
      ['an empty one', Buffer.alloc(0)],
      ['bytes that are no UTF-8', Buffer.from([0xff, 0x00, 0xfe])],
      ['a megabyte', Buffer.alloc(1_048_576, 'x')],
    ])('takes any body: %s', (_what, body) => {
      expect(reasonFor(signed(body))).toBeNull()
      expect(source.read(signed(body)).eventType).toMatch(/^[\w.-]{1,256}$/)
    })

    test('refuses a body or a signature with one byte changed, wherever that is', () => {
      for (let at = 0; at < BODY.length; at++) {
        const body = Buffer.from(BODY)
        body[at]! ^= 1
        expect(reasonFor(sourceRequest({ headers: sample.sign(BODY, secret, NOW), body }))).not.toBeNull()
      }
      const text = value(BODY)
      for (let at = 0; at < text.length - 1; at++) {
        const changed = text.slice(0, at) + (text[at] === '2' ? '3' : '2') + text.slice(at + 1)
        expect(reasonFor(signed(BODY, { [header]: changed }))).not.toBeNull()
      }
    })

    test.each([
      ['missing', [], /^header_missing$/],
      ['repeated', [value(BODY), value(BODY)], /^header_repeated$/],
      ['empty', '', /./],
      ['of another form', 'nonsense', /./],
      ['very long', 'A'.repeat(16_000), /./],
    ])('refuses a header that is %s', (_how, given, reason) => {
      expect(reasonFor(signed(BODY, { [header]: given }))).toMatch(reason)
    })

    test.runIf(sample.toleranceMs !== null)('refuses what is old and what is of the future, by that name', () => {
      const ms = sample.toleranceMs!
      expect([reasonFor(signed(BODY), [secret], NOW + ms), reasonFor(signed(BODY), [secret], NOW - ms)]).toEqual([
        null,
        null,
      ])
      expect(reasonFor(signed(BODY), [secret], NOW + ms + 1_000)).toBe('timestamp_too_old')
      expect(reasonFor(signed(BODY), [secret], NOW - ms - 1_000)).toBe('timestamp_in_future')
    })

    test('tells the same event again by the same key', () => {
      const { repeat } = source.read(signed(BODY))
      expect(repeat).toEqual(source.read(signed(BODY)).repeat)
      expect(repeat).not.toEqual(source.read(signed(Buffer.from('{}'), { 'webhook-id': 'msg_2' })).repeat)
    })

    test('keeps its settings when they are written and read again', () => {
      expect(kind.settings.parse(JSON.parse(JSON.stringify(settings)))).toEqual(settings)
    })

    test('knows which secrets are of use', () => {
      expect(secrets.map((one) => kind.secretProblem(one, settings))).toEqual([null, null])
      expect(kind.secretProblem('', settings)).not.toBeNull()
    })
  })
}
