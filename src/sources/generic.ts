/** A sender that nobody knows: its owner describes how it signs, as data. One of the schemes has to hold. */
import { z } from 'zod'
import { parseDuration } from '../lib/duration.ts'
import { hmacCheck, hmacKey, type HmacScheme, schemeProblem } from './hmac-scheme.ts'
import type { SourceKind } from './kind.ts'
import { reader } from './said.ts'
import { anyOf } from './source.ts'
import { TEMPLATE_CHARS_MAX } from './template.ts'

export const SCHEMES_MAX = 8
const TOLERANCE_MAX_MS = 7 * 86_400_000
const HEADER_CHARS_MAX = 140
const PREFIX_CHARS_MAX = 64

/** Between a signed time and ours, as a duration; `0s` takes any time. */
export const tolerance = z
  .string()
  .max(16)
  .refine((text) => (parseDuration(text) ?? Number.POSITIVE_INFINITY) <= TOLERANCE_MAX_MS, {
    error: 'has to be a duration up to 7d, such as 5m; 0s takes any time',
  })
  .meta({ example: '5m' })

const mark = z.string().min(1).max(8)

const List = z.object({
  groups: mark.nullable().default(null).describe('Between groups that each have a time and signatures of their own'),
  separator: mark.default(','),
  kv: mark.nullable().default('=').describe('Between a name and its value; null where items have no names'),
  key: z.string().max(64).nullable().default(null).describe("The name of the signatures' items"),
  positional: z.boolean().default(false).describe('The first item is the time, the others are signatures'),
})

const Scheme = z
  .object({
    alg: z.enum(['sha1', 'sha256', 'sha384', 'sha512']).default('sha256'),
    encoding: z.enum(['hex', 'base64', 'base64url']).default('hex'),
    header: z
      .string()
      .min(1)
      .max(HEADER_CHARS_MAX)
      .describe('The header with the signature, or X-Signature-{1..9} for a sender that numbers them')
      .meta({ example: 'X-Signature' }),
    prefix: z.string().max(PREFIX_CHARS_MAX).default('').describe('Before the signature, such as sha256='),
    list: List.nullable().default(null).describe('How a header is cut that has several signatures, or the time'),
    repeated: z.enum(['refuse', 'list']).default('refuse').describe('Whether the header may come more than once'),
    content: z.string().min(1).max(TEMPLATE_CHARS_MAX).default('{body}').describe('The bytes that are signed'),
    unsigned_body: z.boolean().default(false).describe('The content need not have the body in it'),
    timestamp: z
      .object({
        from: z.string().min(1).max(TEMPLATE_CHARS_MAX).meta({ example: '{header:X-Timestamp}' }),
        unit: z.enum(['s', 'ms', 'iso']).default('s'),
        tolerance: tolerance.default('5m'),
      })
      .nullable()
      .default(null),
    key: z.enum(['utf8', 'base64', 'hex', 'secret', 'whsec', 'sha1']).default('utf8'),
  })
  .superRefine((scheme, ctx) => {
    const problem = schemeProblem(schemeOf(scheme))
    if (problem !== null) ctx.addIssue({ code: 'custom', path: [problem.at], message: problem.message })
  })

const Settings = z.object({
  scheme: z.array(Scheme).min(1).max(SCHEMES_MAX).describe('Ways of signing; one that holds is enough'),
})

function schemeOf({ alg, unsigned_body, timestamp, ...same }: z.infer<typeof Scheme>): HmacScheme {
  return {
    ...same,
    algorithm: alg,
    unsignedBody: unsigned_body,
    timestamp: timestamp && {
      from: timestamp.from,
      unit: timestamp.unit,
      toleranceMs: parseDuration(timestamp.tolerance) ?? 0,
    },
  }
}

const schemesOf = (settings: Record<string, unknown>): HmacScheme[] =>
  (settings as z.infer<typeof Settings>).scheme.map(schemeOf)

export const generic: SourceKind = {
  kind: 'generic',
  settings: Settings,
  open: (settings, { name, publicUrl, eventType, dedupe }) => ({
    verify: anyOf(schemesOf(settings).map((scheme) => hmacCheck(scheme, publicUrl))),
    read: reader({ prefix: name, eventType: eventType ?? 'webhook', dedupe: [dedupe ?? 'hash'] }),
  }),
  secretProblem(secret, settings) {
    const keys = schemesOf(settings).map(({ key }) => key)
    if (keys.some((key) => hmacKey(secret, key) !== null)) return null
    return `is no key that a scheme could use: it has to be ${[...new Set(keys)].join(' or ')}`
  },
}
