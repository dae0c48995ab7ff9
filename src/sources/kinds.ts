/** The kinds of sources that can be created. Nothing else names a kind. */
import { GatewayError } from '../domain/errors.ts'
import type { Source } from '../domain/source.ts'
import { generic } from './generic.ts'
import type { OpenSource, SourceKind } from './kind.ts'
import { standardWebhooksSource } from './standard-webhooks-source.ts'

export const SOURCE_KINDS: readonly SourceKind[] = [standardWebhooksSource, generic]

export const sourceKind = (name: string): SourceKind | null => SOURCE_KINDS.find(({ kind }) => kind === name) ?? null

/** Opens a stored source. Throws `not_ready` when this version does not know its kind. */
export function openSource({ name, provider, settings: { own, ...place } }: Source): OpenSource {
  const kind = sourceKind(provider)
  if (kind === null)
    throw new GatewayError('not_ready', { detail: `This version of the gateway knows no sources of ${provider}.` })
  return kind.open(own, { name, publicUrl: place.publicUrl, eventType: place.eventType, dedupe: place.dedupe })
}
