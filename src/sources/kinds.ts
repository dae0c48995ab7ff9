/** The kinds of sources that can be created. Nothing else names a kind. */
import { generic } from './generic.ts'
import type { SourceKind } from './kind.ts'
import { standardWebhooksSource } from './standard-webhooks-source.ts'

export const SOURCE_KINDS: readonly SourceKind[] = [generic, standardWebhooksSource]

export const sourceKind = (name: string): SourceKind | null => SOURCE_KINDS.find(({ kind }) => kind === name) ?? null
