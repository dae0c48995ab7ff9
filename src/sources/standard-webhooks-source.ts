/** A source for any sender that signs by Standard Webhooks 1.0.0. */
import { z } from 'zod'
import { secretProblem } from '../domain/secret.ts'
import { parseDuration } from '../lib/duration.ts'
import { tolerance } from './generic.ts'
import type { SourceKind } from './kind.ts'
import { reader } from './said.ts'
import type { Refusal, SourceRequest } from './source.ts'
import { standardWebhooks } from './standard-webhooks.ts'

const Settings = z.object({
  tolerance: tolerance
    .optional()
    .describe('Between the signed time and ours, 5m unless said otherwise; 0s takes any time'),
})

/** An id beside the signed one would make a repeat look new. */
function idProblem(request: SourceRequest): Refusal | null {
  const [id] = request.headers('webhook-id')
  const [other] = request.headers('svix-id')
  if (id === undefined || other === undefined || id === other) return null
  return { reason: 'header_malformed', detail: 'The headers webhook-id and svix-id name different ids.' }
}

export const standardWebhooksSource: SourceKind = {
  kind: 'standard-webhooks',
  settings: Settings,
  open(settings, { eventType, dedupe }) {
    const toleranceMs = parseDuration((settings as z.infer<typeof Settings>).tolerance ?? '5m') ?? 0
    const verify = standardWebhooks(toleranceMs)
    return {
      verify: (request, secrets, now) => idProblem(request) ?? verify(request, secrets, now),
      read: reader({
        prefix: 'standard-webhooks',
        eventType: eventType ?? '{body:/type}',
        dedupe: dedupe === null ? ['{header:webhook-id}', '{header:svix-id}'] : [dedupe],
      }),
    }
  },
  secretProblem,
}
