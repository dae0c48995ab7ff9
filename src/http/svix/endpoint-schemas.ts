/** An endpoint, as the Svix API writes it. */
import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { Config } from '../../config.ts'
import type { AddressGuard } from '../../destinations/guard.ts'
import type { Candidate, Endpoint } from '../../domain/endpoint.ts'
import { generatePair, generateSecret, parseSecret, SECRET_CHARS_MAX, secretProblem } from '../../domain/secret.ts'
import { text } from '../bounded.ts'
import { named, onWire, withExample } from '../described.ts'
import { customHeaders, DESCRIPTION_CHARS_MAX, Instant, instant, targetUrl } from '../schemas.ts'
import {
  channel,
  eventTypeName,
  firstGiven,
  metadata,
  orDefault,
  plainText,
  setOf,
  throttleRate,
  uid,
} from './schemas.ts'

const description = plainText({ max: DESCRIPTION_CHARS_MAX })

const CHANNELS_MAX = 10
const EVENT_TYPES_MAX = 1_000
const SECRET_BYTES = { min: 24, max: 75 }

const version = z.number().int().min(1).max(65_535).meta({ deprecated: true })

const PREFIXED = /^wh(sec|sk|pk)_/

/** `whsec_` and base64 of 24 to 75 bytes, with or without the prefix, or `whsk_` and an Ed25519 pair. */
export const secretIn = onWire(
  text({ max: SECRET_CHARS_MAX }).transform((given, ctx) => {
    const secret = PREFIXED.test(given) ? given : `whsec_${given}`
    const problem = secretProblem(secret) ?? secretSizeProblem(secret)
    if (problem === null) return secret
    ctx.addIssue(problem)
    return z.NEVER
  }),
  { type: 'string', pattern: '^((whsec_)?[A-Za-z0-9+/]{32,100}={0,2}|whsk_[A-Za-z0-9+/]{86}(==)?)$' },
)

function secretSizeProblem(secret: string): string | null {
  const key = parseSecret(secret)
  const bytes = key.kind === 'hmac' ? (key.key.symmetricKeySize ?? 0) : SECRET_BYTES.min
  if (bytes >= SECRET_BYTES.min && bytes <= SECRET_BYTES.max) return null
  return `After whsec_ a secret is base64 of ${SECRET_BYTES.min} to ${SECRET_BYTES.max} bytes.`
}

/** The secret that signs when the request names none. */
export const newSecret = (type: Config['defaultSignatureType']): string =>
  type === 'ed25519' ? generatePair(randomBytes) : generateSecret(randomBytes)

/** The key that receivers need for verifying: an HMAC secret, or the public half of an Ed25519 pair. */
export function shownSecret(secret: string): string {
  const key = parseSecret(secret)
  if (key.kind === 'ed25519') return key.publicKey
  // A plain text, from the plain routes, stands for its bytes. The form with `whsec_` means the same, and every SDK
  // reads it.
  return PREFIXED.test(secret) ? secret : `whsec_${Buffer.from(secret, 'utf8').toString('base64')}`
}

function members(guard: AddressGuard) {
  const eventTypes = setOf(eventTypeName, { max: EVENT_TYPES_MAX }).nullish()
  const rate = throttleRate.nullish()
  return {
    url: targetUrl(guard),
    uid: uid('ep').nullish(),
    eventTypes,
    filterTypes: eventTypes.meta({ deprecated: true }),
    channels: setOf(channel, { max: CHANNELS_MAX }).nullish(),
    throttleRate: rate,
    rateLimit: rate.meta({ deprecated: true }),
  }
}

const wholeEndpoint = (guard: AddressGuard) =>
  z
    .object({
      ...members(guard),
      description: orDefault(description, ''),
      version: orDefault(version, 1),
      disabled: orDefault(z.boolean(), false),
      metadata: metadata.nullish(),
    })
    .superRefine(notBothNames)

/** PUT: the whole endpoint except its secret. */
export const endpointUpdateSchema = (guard: AddressGuard) =>
  named(
    'EndpointUpdate',
    withExample({ url: 'https://example.com/hook', description: 'The first' }, wholeEndpoint(guard)),
  )

export const endpointInSchema = (guard: AddressGuard) =>
  named(
    'EndpointIn',
    withExample(
      { url: 'https://example.com/hook', description: 'The first' },
      wholeEndpoint(guard).safeExtend({ secret: secretIn.nullish(), headers: customHeaders.nullish() }),
    ),
  )

export const endpointPatchSchema = (guard: AddressGuard) => {
  const all = members(guard)
  return named(
    'EndpointPatch',
    withExample(
      { description: 'The first' },
      z
        .object({
          ...all,
          url: all.url.optional(),
          description: description.optional(),
          version: version.optional(),
          disabled: z.boolean().optional(),
          metadata: metadata.nullish(),
        })
        .superRefine(notBothNames),
    ),
  )
}

type Names = string[] | null | undefined

/** An endpoint is shown with both names, and a client may send both back. */
function notBothNames(given: { eventTypes?: Names; filterTypes?: Names }, ctx: z.RefinementCtx): void {
  const { eventTypes, filterTypes } = given
  if (eventTypes === undefined || filterTypes === undefined || isSameSet(eventTypes, filterTypes)) return
  ctx.addIssue({
    code: 'custom',
    path: ['filterTypes'],
    message: 'differs from eventTypes, which is the same: give one',
  })
}

const isSameSet = (a: string[] | null, b: string[] | null): boolean =>
  a === null || b === null ? a === b : a.length === b.length && new Set([...a, ...b]).size === a.length

export type EndpointUpdate = z.output<ReturnType<typeof endpointUpdateSchema>>
export type EndpointIn = z.output<ReturnType<typeof endpointInSchema>>
export type EndpointPatch = z.output<ReturnType<typeof endpointPatchSchema>>

const common = {
  id: z.string(),
  uid: z.string().nullable(),
  url: z.string(),
  description: z.string(),
  version: z.number().int().meta({ deprecated: true }),
  disabled: z.boolean(),
  eventTypes: z.array(z.string()).nullable(),
  filterTypes: z.array(z.string()).nullable().meta({ deprecated: true }),
  channels: z.array(z.string()).nullable(),
  throttleRate: z.number().int().nullable(),
  rateLimit: z.number().int().nullable().meta({ deprecated: true }),
  createdAt: Instant,
  updatedAt: Instant,
}

/** The endpoint without `metadata`, which lists of deliveries leave out. */
export const EndpointCommon = z.object(common)
export const EndpointOut = named('EndpointOut', EndpointCommon.extend({ metadata: z.record(z.string(), z.string()) }))

export const toEndpointCommon = (endpoint: Candidate): z.infer<typeof EndpointCommon> => ({
  description: endpoint.description,
  rateLimit: endpoint.rateLimit,
  throttleRate: endpoint.rateLimit,
  uid: endpoint.uid,
  url: endpoint.url,
  version: endpoint.version,
  disabled: endpoint.disabled,
  eventTypes: endpoint.eventTypes,
  filterTypes: endpoint.eventTypes,
  channels: endpoint.channels,
  createdAt: instant(endpoint.createdAt),
  updatedAt: instant(endpoint.updatedAt),
  id: endpoint.id,
})

export const toEndpointOut = (endpoint: Candidate): z.infer<typeof EndpointOut> => ({
  ...toEndpointCommon(endpoint),
  metadata: endpoint.metadata,
})

type Settings = Pick<
  Endpoint,
  | 'url'
  | 'uid'
  | 'description'
  | 'version'
  | 'disabled'
  | 'disabledReason'
  | 'eventTypes'
  | 'channels'
  | 'rateLimit'
  | 'metadata'
>

const enabledness = (disabled: boolean, before: Endpoint | null): Pick<Endpoint, 'disabled' | 'disabledReason'> => ({
  disabled,
  disabledReason: disabled ? (before?.disabledReason ?? 'owner') : null,
})

/** The settings that a whole endpoint describes. */
export const settingsFrom = (given: EndpointUpdate, before: Endpoint | null): Settings => ({
  url: given.url,
  uid: given.uid ?? null,
  description: given.description,
  version: given.version,
  ...enabledness(given.disabled, before),
  eventTypes: firstGiven(given.eventTypes, given.filterTypes) ?? null,
  channels: given.channels ?? null,
  rateLimit: firstGiven(given.throttleRate, given.rateLimit) ?? null,
  metadata: given.metadata ?? {},
})

/** An absent member stays. */
export function settingsPatched(given: EndpointPatch, before: Endpoint): Settings {
  const eventTypes = firstGiven(given.eventTypes, given.filterTypes)
  const rate = firstGiven(given.throttleRate, given.rateLimit)
  return {
    url: given.url ?? before.url,
    uid: given.uid === undefined ? before.uid : given.uid,
    description: given.description ?? before.description,
    version: given.version ?? before.version,
    ...enabledness(given.disabled ?? before.disabled, before),
    eventTypes: eventTypes === undefined ? before.eventTypes : eventTypes,
    channels: given.channels === undefined ? before.channels : given.channels,
    rateLimit: rate === undefined ? before.rateLimit : rate,
    metadata: given.metadata === undefined ? before.metadata : (given.metadata ?? {}),
  }
}
