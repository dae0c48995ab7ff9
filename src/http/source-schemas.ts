/** A source, as the plain API writes it. */
import { z } from 'zod'
import type { EndpointSecret } from '../domain/endpoint.ts'
import { GatewayError, type Issue, invalid } from '../domain/errors.ts'
import { SECRET_CHARS_MAX } from '../domain/secret.ts'
import { type Source, SOURCE_NAME, SOURCE_NAMES_TAKEN, type SourceSettings } from '../domain/source.ts'
import { extractorProblem } from '../sources/said.ts'
import { SOURCE_KINDS, sourceKind } from '../sources/kinds.ts'
import { TEMPLATE_CHARS_MAX } from '../sources/template.ts'
import { parseTimestamp } from '../sources/timestamp.ts'
import { IN_PLAIN_WORDS, toIssues } from '../flow/validate.ts'
import { list, text } from './bounded.ts'
import { named, withExample } from './described.ts'
import { Instant, instant, instantOrNull } from './schemas.ts'

const SECRETS_MAX = 10
const CONTENT_TYPES_MAX = 20
const MEDIA_TYPE = /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+$/
const MEDIA_TYPE_CHARS_MAX = 128
const URL_MAX = 2_048
const RESPONSE_CHARS_MAX = 4_096
const METHODS = ['POST', 'PUT', 'GET'] as const

const checked = (max: number, problem: (given: string) => string | null) =>
  text({ max }).superRefine((given, ctx) => {
    const found = problem(given)
    if (found !== null) ctx.addIssue(found)
  })

const template = checked(TEMPLATE_CHARS_MAX, extractorProblem)

const expiry = text({ max: 30 })
  .transform((given, ctx) => {
    const ms = parseTimestamp(given, 'iso')
    if (ms !== null) return ms
    ctx.addIssue('has to be a time such as 2026-01-15T10:00:00Z')
    return z.NEVER
  })
  .meta({
    format: 'date-time',
    pattern: '^\\d{4}-\\d{2}-\\d{2}[Tt]\\d{2}:\\d{2}:\\d{2}',
    example: '2026-01-15T10:00:00Z',
  })

const SecretIn = named(
  'SourceSecretInput',
  z.object({ secret: text({ max: SECRET_CHARS_MAX }).min(1), expires_at: expiry.nullish() }),
)

const ResponseIn = named(
  'SourceResponseInput',
  z.object({
    status: z.number().int().min(200).max(299).default(200),
    content_type: text({ max: MEDIA_TYPE_CHARS_MAX })
      .regex(MEDIA_TYPE, 'has to be a media type, such as text/plain')
      .default('text/plain'),
    body: text({ max: RESPONSE_CHARS_MAX }).default(''),
  }),
)

const ResponseOut = named(
  'SourceResponse',
  z.object({ status: z.number().int(), content_type: z.string(), body: z.string() }),
)

/** The members of all kinds. The provider says which of them a source may have. */
const ownMembers = Object.fromEntries(
  SOURCE_KINDS.flatMap(({ settings }) => Object.entries(settings.shape as Record<string, z.ZodType>)).map(
    ([name, schema]) => [name, (schema instanceof z.ZodOptional ? (schema.unwrap() as z.ZodType) : schema).nullish()],
  ),
)

const name = text({ max: 63 })
  .regex(SOURCE_NAME, 'has to be lower-case letters, digits and dashes, and begin with a letter or digit')
  .refine((given) => !SOURCE_NAMES_TAKEN.includes(given), { error: 'is taken by a route' })
  .meta({ pattern: SOURCE_NAME.source, example: 'shop' })
const provider = z.enum(SOURCE_KINDS.map(({ kind }) => kind) as [string, ...string[]])

const members = {
  secrets: list(SecretIn, { max: SECRETS_MAX })
    .nullish()
    .describe('Newest first; any that is not expired verifies, and without one nothing does. Never shown again here'),
  enabled: z.boolean().nullish(),
  public_url: checked(URL_MAX, (given) =>
    URL.canParse(given) && /^https?:$/.test(new URL(given).protocol) ? null : 'has to be an http or https URL',
  )
    .meta({ format: 'uri', pattern: '^https?://' })
    .nullish()
    .describe('The address that is registered at the sender, where it is signed'),
  methods: list(z.enum(METHODS), { max: METHODS.length }).min(1).nullish(),
  content_types: list(
    text({ max: MEDIA_TYPE_CHARS_MAX }).regex(
      MEDIA_TYPE,
      'has to be a media type in lower case, such as application/json',
    ),
    { max: CONTENT_TYPES_MAX },
  )
    .min(1)
    .nullish()
    .describe('Media types without parameters; null is any'),
  event_type: template.nullish().describe('A template such as {header:X-Event} or {body:/type}'),
  dedupe: checked(TEMPLATE_CHARS_MAX, (given) => (given === 'hash' ? null : extractorProblem(given)))
    .nullish()
    .describe('A template of what makes a repeat the same, or hash: equal bytes within 15 minutes'),
  response: ResponseIn.nullish().describe('Instead of 200 {"status":"ok"}'),
  ...ownMembers,
}

export const SourceInput = named(
  'SourceInput',
  withExample(
    {
      name: 'shop',
      provider: 'generic',
      scheme: [{ header: 'X-Signature', prefix: 'sha256=' }],
      secrets: [{ secret: 'the secret of both sides' }],
    },
    z.object({ name, provider, ...members }),
  ),
)

/** RFC 7396: an absent member stays, `null` unsets one. */
export const SourcePatch = named(
  'SourcePatch',
  withExample({ enabled: false }, z.object({ name: name.optional(), provider: provider.optional(), ...members })),
)

export const SourceOut = named(
  'Source',
  z.object({
    id: z.string(),
    name: z.string(),
    provider: z.string(),
    enabled: z.boolean(),
    has_secret: z.boolean(),
    public_url: z.string().nullable(),
    methods: z.array(z.string()),
    content_types: z.array(z.string()).nullable(),
    event_type: z.string().nullable(),
    dedupe: z.string().nullable(),
    response: ResponseOut.nullable(),
    ...Object.fromEntries(Object.entries(ownMembers).map(([member, schema]) => [member, schema.optional()])),
    created_at: Instant,
    updated_at: Instant,
  }),
)

export const SourceSecrets = named(
  'SourceSecrets',
  z.object({
    data: z.array(named('SourceSecret', z.object({ secret: z.string(), expires_at: Instant.nullable() }))),
  }),
)

type Given = z.infer<typeof SourcePatch>

export const toSource = ({
  settings: { own, response, ...settings },
  ...source
}: Source): z.infer<typeof SourceOut> => ({
  id: source.id,
  name: source.name,
  provider: source.provider,
  enabled: source.enabled,
  has_secret: source.secrets.length > 0,
  public_url: settings.publicUrl,
  methods: settings.methods,
  content_types: settings.contentTypes,
  event_type: settings.eventType,
  dedupe: settings.dedupe,
  response: response && { status: response.status, content_type: response.contentType, body: response.body },
  ...own,
  created_at: instant(source.createdAt),
  updated_at: instant(source.updatedAt),
})

export const toSecrets = (secrets: readonly EndpointSecret[]) => ({
  data: secrets.map(({ secret, expiresAt }) => ({ secret, expires_at: instantOrNull(expiresAt) })),
})

/** The source after such a body: it keeps from `before` what the body leaves alone. Throws `validation`. */
export function settled(given: Given, before: Source): Pick<Source, 'name' | 'enabled' | 'settings' | 'secrets'> {
  if (given.provider !== undefined && given.provider !== before.provider)
    throw invalid(['body', 'provider'], 'cannot be changed: make another source')
  const old = before.settings
  const settings: SourceSettings = {
    publicUrl: kept(given.public_url, old.publicUrl, null),
    methods: kept(given.methods, old.methods, ['POST']),
    contentTypes: kept(given.content_types, old.contentTypes, null),
    eventType: kept(given.event_type, old.eventType, null),
    dedupe: kept(given.dedupe, old.dedupe, null),
    response:
      given.response == null
        ? kept(given.response, old.response, null)
        : { status: given.response.status, contentType: given.response.content_type, body: given.response.body },
    own: ownSettled(given, before),
  }
  const secrets = given.secrets?.map(({ secret, expires_at }) => ({ secret, expiresAt: expires_at ?? null }))
  return {
    name: given.name ?? before.name,
    enabled: kept(given.enabled, before.enabled, true),
    secrets: kept(given.secrets === null ? null : secrets, before.secrets, []),
    settings,
  }
}

const kept = <T>(given: T | null | undefined, before: T, unset: T): T =>
  given === undefined ? before : (given ?? unset)

function ownSettled(given: Given, { provider, settings }: Source): Record<string, unknown> {
  const kind = sourceKind(provider)
  if (kind === null) return settings.own
  const merged: Record<string, unknown> = { ...settings.own }
  const issues: Issue[] = []
  for (const member of Object.keys(ownMembers)) {
    const value = (given as Record<string, unknown>)[member]
    if (value === undefined) continue
    if (value === null) delete merged[member]
    else if (member in kind.settings.shape) merged[member] = value
    else issues.push({ loc: ['body', member], msg: `is no setting of ${provider}`, type: 'value_error' })
  }
  const parsed = kind.settings.safeParse(merged, IN_PLAIN_WORDS)
  if (!parsed.success) issues.push(...parsed.error.issues.flatMap((issue) => toIssues(issue, 'body', merged)))
  if (issues.length > 0 || !parsed.success) throw new GatewayError('validation', { issues })
  return parsed.data
}
