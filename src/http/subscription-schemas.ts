/** A subscription, as the plain API writes an endpoint. */
import { z } from 'zod'
import { HIDDEN_VALUE, hideSensitive, restoreHidden } from '../domain/custom-headers.ts'
import type { Endpoint } from '../domain/endpoint.ts'
import { invalid } from '../domain/errors.ts'
import { EVENT_TYPE_CHARS_MAX, eventTypePatternProblem } from '../domain/event-filter.ts'
import { LIMITS } from '../domain/limits.ts'
import { NAMED_SCHEDULES } from '../domain/retry-schedule.ts'
import { parseSecretCached, SECRET_CHARS_MAX, secretProblem } from '../domain/secret.ts'
import type { AddressGuard } from '../destinations/guard.ts'
import { formatDuration, parseDuration } from '../lib/duration.ts'
import { list, text } from './bounded.ts'
import { named, withExample } from './described.ts'
import {
  customHeaders,
  customHeadersPatch,
  DESCRIPTION_CHARS_MAX,
  Instant,
  instant,
  instantOrNull,
  mergeHeaders,
  targetUrl,
} from './schemas.ts'

const TIMEOUT_MS = { min: 10, max: 300_000 }
const RATE_MAX = 65_535
/** Length of a name with `.*` behind it. */
const PATTERN_CHARS_MAX = EVENT_TYPE_CHARS_MAX + 2
const DURATION_CHARS_MAX = 64
const EVENT_TYPES_MAX = 256
const RETRY_WAIT_MAX_MS = 30 * 86_400_000
// A union does not tell which member was meant, so the problem is given for both.
const SCHEDULE_PROBLEM = `has to be a list of up to ${LIMITS.retriesMax} durations up to ${formatDuration(RETRY_WAIT_MAX_MS)}, such as ["10s", "1m"], or one of ${Object.keys(NAMED_SCHEDULES).join(', ')}`

/** A duration that `parseDuration` reads. */
const DURATION_PATTERN = '^\\d+(\\.\\d+)?(ms|s|m|h|d)$'
/** An event type, one with `.*` behind it, or all (`eventTypePatternProblem`). */
const PATTERN_PATTERN = `^(\\*|(?!\\.\\.?(\\.\\*)?$)[a-zA-Z0-9\\-_.]{1,${EVENT_TYPE_CHARS_MAX}}(\\.\\*)?)$`

const duration = (min: number, max: number, example: string) =>
  text({ max: DURATION_CHARS_MAX })
    .transform((given, ctx) => {
      const ms = parseDuration(given)
      if (ms !== null && ms >= min && ms <= max) return ms
      ctx.addIssue(`has to be a duration from ${formatDuration(min)} to ${formatDuration(max)}, such as ${example}`)
      return z.NEVER
    })
    .meta({ example, pattern: DURATION_PATTERN })

const checked = (max: number, problem: (given: string) => string | null) =>
  text({ max }).superRefine((given, ctx) => {
    const found = problem(given)
    if (found !== null) ctx.addIssue(found)
  })

/** The members of a subscription that its owner sets, each of them optional here. */
function members(guard: AddressGuard) {
  return {
    target_url: targetUrl(guard),
    secret: checked(SECRET_CHARS_MAX, secretProblem)
      .meta({ minLength: 1 })
      .nullish()
      .describe('Signs deliveries and guards POST /ingest/{id}; never shown again here'),
    event_types: list(checked(PATTERN_CHARS_MAX, eventTypePatternProblem).meta({ pattern: PATTERN_PATTERN }), {
      max: EVENT_TYPES_MAX,
    })
      .nullish()

      .describe(
        '`user.*` is every type below `user.`, `*` is all. None or null is everything that is ingested, but neither inbox ' +
          'messages nor notifications: those go to subscriptions that name their types',
      ),
    description: text({ max: DESCRIPTION_CHARS_MAX }).nullish(),
    enabled: z.boolean().nullish(),
    rate_limit: z.number().int().min(1).max(RATE_MAX).nullish().describe('Attempts per second'),
    timeout: duration(TIMEOUT_MS.min, TIMEOUT_MS.max, '5s').nullish().describe('Of one attempt'),
    retry_schedule: z
      .union(
        [
          list(duration(0, RETRY_WAIT_MAX_MS, '10s'), { max: LIMITS.retriesMax }),
          z.enum(Object.keys(NAMED_SCHEDULES)).transform((name) => [...NAMED_SCHEDULES[name]!]),
        ],
        { error: SCHEDULE_PROBLEM },
      )
      .nullish()
      .describe('Waits after a failure; an empty list means one attempt; null is RETRY_SCHEDULE'),
  }
}

export const subscriptionIn = (guard: AddressGuard) =>
  named(
    'SubscriptionInput',
    withExample(
      { target_url: 'https://example.com/hook', description: 'Everything that is ingested' },
      z.object({ ...members(guard), headers: customHeaders.nullish() }),
    ),
  )

/** RFC 7396: an absent member stays, `null` unsets one; `headers` are merged one by one. */
export const subscriptionPatch = (guard: AddressGuard) => {
  const all = members(guard)
  return named(
    'SubscriptionPatch',
    withExample(
      { description: 'Orders only', event_types: ['order.*'] },
      z.object({ ...all, target_url: all.target_url.optional(), headers: customHeadersPatch.nullish() }),
    ),
  )
}

export type SubscriptionIn = z.infer<ReturnType<typeof subscriptionIn>>
export type SubscriptionPatch = z.infer<ReturnType<typeof subscriptionPatch>>

export const Subscription = named(
  'Subscription',
  z.object({
    id: z.string(),
    target_url: z.string(),
    event_types: z.array(z.string()),
    description: z.string(),
    enabled: z.boolean(),
    disabled_reason: z.enum(['owner', 'gone', 'failing']).nullable(),
    headers: z
      .record(z.string(), z.string())
      .describe(`Values that authenticate are told as ${HIDDEN_VALUE}; sent back like that, they stay`),
    rate_limit: z.number().int().nullable(),
    timeout: z.string().nullable(),
    retry_schedule: z.array(z.string()).nullable(),
    has_secret: z.boolean(),
    public_key: z
      .string()
      .nullable()
      .describe('What receivers verify with (`whpk_…`) where the secret is an Ed25519 pair (`whsk_…`)'),
    failing_since: Instant.nullable(),
    paused_until: Instant.nullable(),
    created_at: Instant,
    updated_at: Instant,
  }),
)

export const toSubscription = (endpoint: Endpoint): z.infer<typeof Subscription> => ({
  id: endpoint.id,
  target_url: endpoint.url,
  event_types: endpoint.eventTypes ?? [],
  description: endpoint.description,
  enabled: !endpoint.disabled,
  disabled_reason: endpoint.disabledReason,
  headers: hideSensitive(endpoint.headers),
  rate_limit: endpoint.rateLimit,
  timeout: endpoint.timeoutMs === null ? null : formatDuration(endpoint.timeoutMs),
  retry_schedule: endpoint.retryScheduleMs?.map(formatDuration) ?? null,
  has_secret: endpoint.secrets.length > 0,
  public_key: publicKeyOf(endpoint),
  failing_since: instantOrNull(endpoint.failingSince),
  paused_until: instantOrNull(endpoint.pausedUntil),
  created_at: instant(endpoint.createdAt),
  updated_at: instant(endpoint.updatedAt),
})

function publicKeyOf({ secrets: [current] }: Endpoint): string | null {
  const key = current && parseSecretCached(current.secret)
  return key?.kind === 'ed25519' ? key.publicKey : null
}

type Settings = Pick<
  Endpoint,
  | 'url'
  | 'description'
  | 'disabled'
  | 'disabledReason'
  | 'eventTypes'
  | 'headers'
  | 'secrets'
  | 'rateLimit'
  | 'timeoutMs'
  | 'retryScheduleMs'
>

/**
 * The settings that a whole subscription describes. A secret that is not mentioned stays: no client can send back a
 * secret that it was never shown, and dropping the secret would open the ingest route.
 */
export function settingsFrom(given: SubscriptionIn, before: Endpoint | null): Settings {
  return {
    url: given.target_url,
    description: given.description ?? '',
    ...enabledness(given.enabled ?? true, before),
    eventTypes: nonEmpty(given.event_types),
    headers: restored(given.headers ?? {}, before?.headers ?? {}),
    secrets: given.secret === undefined ? (before?.secrets ?? []) : secretsFrom(given.secret),
    rateLimit: given.rate_limit ?? null,
    timeoutMs: given.timeout ?? null,
    retryScheduleMs: given.retry_schedule ?? null,
  }
}

export function settingsPatched(given: SubscriptionPatch, before: Endpoint): Settings {
  const pick = <T, U>(value: T | undefined, kept: U, set: (value: T) => U): U =>
    value === undefined ? kept : set(value)
  return {
    url: given.target_url ?? before.url,
    description: pick(given.description, before.description, (text) => text ?? ''),
    ...enabledness(
      pick(given.enabled, !before.disabled, (enabled) => enabled ?? true),
      before,
    ),
    eventTypes: pick(given.event_types, before.eventTypes, nonEmpty),
    headers: pick(given.headers, before.headers, (patch) =>
      patch === null ? {} : mergeHeaders(before.headers, restored(patch, before.headers)),
    ),
    secrets: pick(given.secret, before.secrets, secretsFrom),
    rateLimit: pick(given.rate_limit, before.rateLimit, (rate) => rate),
    timeoutMs: pick(given.timeout, before.timeoutMs, (ms) => ms),
    retryScheduleMs: pick(given.retry_schedule, before.retryScheduleMs, (waits) => waits),
  }
}

const nonEmpty = (list: string[] | null | undefined): string[] | null =>
  list && list.length > 0 ? [...new Set(list)] : null

const secretsFrom = (secret: string | null): Endpoint['secrets'] =>
  secret === null ? [] : [{ secret, expiresAt: null }]

/** The owner disables by hand. An endpoint that the gateway disabled keeps its reason until it is enabled again. */
function enabledness(enabled: boolean, before: Endpoint | null): Pick<Endpoint, 'disabled' | 'disabledReason'> {
  return { disabled: !enabled, disabledReason: enabled ? null : (before?.disabledReason ?? 'owner') }
}

/** Puts back the values that came back hidden. Throws `validation` when there is no value to keep. */
function restored<V extends string | null>(
  given: Record<string, V>,
  before: Readonly<Record<string, string>>,
): Record<string, V> {
  const result = restoreHidden(given, before)
  if ('headers' in result) return result.headers as Record<string, V>
  throw invalid(['body', 'headers', result.missing], `${HIDDEN_VALUE} keeps a value, and there is none: give the value`)
}
