/** Publishes a message to the endpoints of an application that want it. */
import type { Application } from '../domain/application.ts'
import { type Candidate, wants } from '../domain/endpoint.ts'
import type { EventType } from '../domain/event-type.ts'
import type { MessageId } from '../domain/ids.ts'
import type { Message } from '../domain/message.ts'
import { accept, type MoreOfMessage, type NewEvent, type Receipt } from '../flow/accept.ts'
import { route } from '../flow/route.ts'
import type { Answer } from '../store/port/answers.ts'
import type { ManageContext } from './context.ts'

export interface Publication extends Pick<
  NewEvent,
  'eventType' | 'channels' | 'contentType' | 'eventId' | 'body' | 'hops'
> {
  more: Omit<MoreOfMessage, 'answer'>
  /** Builds the first answer, stored for repeats of the request, from the id of the message. */
  answerFor: (id: MessageId) => Answer | null
}

export type Published = { kind: 'published'; message: Message } | { kind: 'duplicate' } | { kind: 'replayed' }

/**
 * Accepts a message. `duplicate`: a message with its event id exists. Rejects with a 503 of the catalogue when nothing
 * was stored.
 */
export async function publish(
  context: ManageContext,
  application: Pick<Application, 'id'>,
  publication: Publication,
): Promise<Published> {
  const candidates = await context.cache.ofApplication(application.id)
  return acceptFor(context, application, publication, route(candidates, { ...publication, audience: 'all' }))
}

/**
 * Sends an example to one endpoint, whatever its filters are: its owner wants to see it arrive. Only a disabled
 * endpoint gets nothing.
 */
export function sendExample(
  context: ManageContext,
  application: Pick<Application, 'id'>,
  { endpoint, ...publication }: Publication & { endpoint: Candidate },
): Promise<Published> {
  const takesAll = { ...endpoint, eventTypes: null, channels: null }
  return acceptFor(
    context,
    application,
    publication,
    wants(takesAll, { ...publication, audience: 'all' }) ? [endpoint] : [],
  )
}

async function acceptFor(
  context: ManageContext,
  { id: appId }: Pick<Application, 'id'>,
  { more, answerFor, ...event }: Publication,
  endpoints: readonly Candidate[],
): Promise<Published> {
  const now = context.clock.now()
  const id = context.ids.next('msg', now)
  const answer = answerFor(id)
  const receipt = await accept(
    context,
    { ...event, appId, id, audience: 'all', idempotency: null, endpoints, more: { ...more, answer } },
    now,
  )
  return publishedAs(receipt)
}

function publishedAs({ replayed, duplicate, message }: Receipt): Published {
  if (replayed) return { kind: 'replayed' }
  return duplicate ? { kind: 'duplicate' } : { kind: 'published', message }
}

/** The example at `index` of an event type's first schema version; null when it has none. */
export function exampleOf(eventType: EventType, index: number): object | null {
  const schemas = JSON.parse(eventType.schemas ?? '{}') as Record<string, { examples?: unknown } | undefined>
  const schema = schemas['1'] ?? Object.values(schemas)[0]
  const examples = Array.isArray(schema?.examples) ? (schema.examples as unknown[]) : []
  const example = examples[index]
  return typeof example === 'object' && example !== null ? example : null
}
