/** The way of an event through the door of a source, from the checks before its body is read to the commit. */
import type { SourceCache } from '../cache/source-cache.ts'
import { codingsOf } from '../domain/content-encoding.ts'
import { activeSecrets } from '../domain/endpoint.ts'
import { GatewayError } from '../domain/errors.ts'
import type { Source } from '../domain/source.ts'
import type { OpenSource, Reply } from '../sources/kind.ts'
import { openSource } from '../sources/kinds.ts'
import type { Refusal } from '../sources/source.ts'
import type { SourceResult } from '../telemetry/events.ts'
import { accept } from './accept.ts'
import type { InboundContext } from './flow.ts'
import { parseJson, type RawRequest } from './receive.ts'
import { route } from './route.ts'

export interface SourceContext extends InboundContext {
  sources: SourceCache
}

/** Finds the source. Throws `source_not_found`, also for a disabled source. */
export async function findSource({ sources }: SourceContext, idOrName: string): Promise<Source> {
  const source = await sources.find(idOrName)
  if (source === null || !source.enabled) throw new GatewayError('source_not_found')
  return source
}

/**
 * Checks the request before its body is read. Throws `method_not_allowed`, `content_type_not_allowed`,
 * `unsupported_encoding`.
 */
export function checkHead(
  context: SourceContext,
  source: Source,
  { method, contentType, encoding }: { method: string; contentType: string | undefined; encoding: string | undefined },
): void {
  const { methods, contentTypes } = source.settings
  const refuse = (error: GatewayError, result: SourceResult): never => {
    tell(context, source, result, error.message)
    throw error
  }
  if (!methods.includes(method)) {
    const detail = `The source takes ${methods.join(', ')}.`
    refuse(new GatewayError('method_not_allowed', { detail }), 'method_not_allowed')
  }
  const mediaType = contentType?.split(';', 1)[0]!.trim().toLowerCase() ?? ''
  if (contentTypes !== null && !contentTypes.includes(mediaType)) {
    const detail = `The source takes ${contentTypes.join(', ')}.`
    refuse(new GatewayError('content_type_not_allowed', { detail }), 'content_type_not_allowed')
  }
  // The bytes are verified, stored and delivered as they came.
  if (encoding !== undefined && codingsOf(encoding)?.length !== 0) {
    const detail = 'A source takes no compressed bodies: leave out the Content-Encoding.'
    refuse(new GatewayError('unsupported_encoding', { detail }), 'content_type_not_allowed')
  }
}

const OK: Reply = { status: 200, contentType: 'application/json; charset=utf-8', body: '{"status":"ok"}' }

/**
 * Verifies, reads, stores and routes. Before the signature holds, only the scheme itself may look at the body. Nothing
 * is used up before the commit. An event and its repeats get the same answer. Throws `invalid_signature`, or a 503.
 */
export async function takeIn(context: SourceContext, source: Source, request: RawRequest): Promise<Reply> {
  const now = context.clock.now()
  const opened = openedOf(source)
  const reply = opened.challenge?.(request) ?? null
  if (reply !== null) {
    tell(context, source, 'challenge', null)
    return reply
  }
  const refusal = opened.verify(request, activeSecrets(source, now), now)
  if (refusal !== null) return refuseProof(context, source, refusal)
  const { eventType, repeat } = opened.read(request)
  const event = { eventType, channels: null, audience: 'named' as const }
  const contentType = request.header('content-type') ?? 'application/octet-stream'
  const receipt = await accept(
    context,
    {
      ...event,
      appId: source.appId,
      contentType,
      eventId: null,
      body: request.body,
      hops: request.hops,
      more: {
        tags: null,
        retentionMs: null,
        deliverAt: null,
        answer: null,
        shownPayload: shownOf(request, contentType),
      },
      idempotency: repeat && { scope: `source/${source.id}`, key: repeat.key, windowMs: repeat.windowMs },
      endpoints: route(await context.cache.ofApplication(source.appId), event),
    },
    now,
  ).catch((error: unknown) => {
    tell(context, source, 'error', null)
    throw error
  })
  tell(context, source, receipt.duplicate ? 'duplicate' : 'created', null)
  return source.settings.response ?? OK
}

function refuseProof(context: SourceContext, source: Source, { reason, detail }: Refusal): never {
  tell(context, source, reason, detail)
  throw new GatewayError('invalid_signature')
}

function tell({ observer }: SourceContext, source: Source, result: SourceResult, detail: string | null): void {
  observer.sourceRequest({ sourceId: source.id, name: source.name, provider: source.provider, result, detail })
}

/** The payload that APIs with JSON payloads show, when the body is no JSON. */
function shownOf({ body }: RawRequest, contentType: string): Uint8Array | null {
  try {
    parseJson(body)
    return null
  } catch {
    return Buffer.from(JSON.stringify({ contentType, bytes: body.byteLength }))
  }
}

/** A cached source is opened once: each change makes another object. */
const opened = new WeakMap<Source, OpenSource>()

function openedOf(source: Source): OpenSource {
  let found = opened.get(source)
  if (found === undefined) opened.set(source, (found = openSource(source)))
  return found
}
