/**
 * A kind of source for any other sender: its owner describes the sender's signatures as data. One of the schemes has to
 * hold.
 */
import { z } from 'zod'
import { parseDuration } from '../lib/duration.ts'
import { hmacCheck, hmacKey, type HmacScheme, schemeProblem } from './hmac-scheme.ts'
import { component, type SourceKind } from './kind.ts'
import { reader } from './said.ts'
import { anyOf } from './source.ts'
import { TEMPLATE_CHARS_MAX } from './template.ts'

export const SCHEMES_MAX = 8
const TOLERANCE_MAX_MS = 7 * 86_400_000
const HEADER_CHARS_MAX = 128
const PREFIX_CHARS_MAX = 64

/** Greatest difference between a signed time and ours, as a duration; `0s` accepts any time. */
export const tolerance = z
  .string()
  .max(16)
  .refine((text) => (parseDuration(text) ?? Number.POSITIVE_INFINITY) <= TOLERANCE_MAX_MS, {
    error: 'has to be a duration up to 7d, such as 5m; 0s takes any time',
  })
  .meta({ example: '5m', pattern: '^\\d+(\\.\\d+)?(ms|s|m|h|d)$' })

const mark = z.string().min(1).max(8)

// The schema has no defaults, so that a setting is written, stored and shown in one shape. `schemeOf` knows the
// defaults.
const List = component(
  'SignatureList',
  z.strictObject({
    groups: mark.nullish().describe('Between groups that each have a time and signatures of their own'),
    separator: mark.optional().describe('A comma, unless said otherwise'),
    kv: mark
      .nullish()
      .describe('Between a name and its value, = unless said otherwise; null where items have no names'),
    key: z.string().max(64).nullish().describe("The name of the signatures' items"),
    positional: z.boolean().optional().describe('The first item is the time, the others are signatures'),
  }),
)

const SignedTime = component(
  'SignedTime',
  z.strictObject({
    from: z.string().min(1).max(TEMPLATE_CHARS_MAX).meta({ example: '{header:X-Timestamp}' }),
    unit: z.enum(['s', 'ms', 'iso']).optional().describe('Seconds, unless said otherwise'),
    tolerance: tolerance.optional().describe('5m, unless said otherwise'),
  }),
)

const Scheme = component(
  'HmacScheme',
  z
    .strictObject({
      alg: z.enum(['sha1', 'sha256', 'sha384', 'sha512']).optional().describe('sha256, unless said otherwise'),
      encoding: z.enum(['hex', 'base64', 'base64url']).optional().describe('hex, unless said otherwise'),
      header: z
        .string()
        .min(1)
        .max(HEADER_CHARS_MAX)
        .describe('The header with the signature, or X-Signature-{1..9} for a sender that numbers them')
        .meta({ example: 'X-Signature' }),
      prefix: z.string().max(PREFIX_CHARS_MAX).optional().describe('Before the signature, such as sha256='),
      list: List.nullish().describe('How a header is cut that has several signatures, or the time'),
      repeated: z.enum(['refuse', 'list']).optional().describe('Whether the header may come more than once'),
      content: z
        .string()
        .min(1)
        .max(TEMPLATE_CHARS_MAX)
        .optional()
        .describe('The bytes that are signed, {body} unless said otherwise'),
      unsigned_body: z.boolean().optional().describe('The content need not have the body in it'),
      timestamp: SignedTime.nullish(),
      key: z
        .enum(['utf8', 'base64', 'hex', 'secret', 'whsec', 'sha1'])
        .optional()
        .describe('What bytes the secret is, its text unless said otherwise'),
    })
    .superRefine((scheme, ctx) => {
      const problem = schemeProblem(schemeOf(scheme))
      if (problem !== null) ctx.addIssue({ code: 'custom', path: [problem.at], message: problem.message })
    }),
)

const Settings = z.object({
  scheme: z.array(Scheme).min(1).max(SCHEMES_MAX).describe('Ways of signing; one that holds is enough'),
})

function schemeOf({ list, timestamp, ...given }: z.infer<typeof Scheme>): HmacScheme {
  return {
    algorithm: given.alg ?? 'sha256',
    encoding: given.encoding ?? 'hex',
    header: given.header,
    prefix: given.prefix ?? '',
    list: list
      ? {
          groups: list.groups ?? null,
          separator: list.separator ?? ',',
          kv: list.kv === undefined ? '=' : list.kv,
          key: list.key ?? null,
          positional: list.positional ?? false,
        }
      : null,
    repeated: given.repeated ?? 'refuse',
    content: given.content ?? '{body}',
    unsignedBody: given.unsigned_body ?? false,
    timestamp: timestamp
      ? {
          from: timestamp.from,
          unit: timestamp.unit ?? 's',
          toleranceMs: parseDuration(timestamp.tolerance ?? '5m') ?? 0,
        }
      : null,
    key: given.key ?? 'utf8',
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
