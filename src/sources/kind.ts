/**
 * The port of kinds of sources: one file a kind, named in `kinds.ts`. A kind has settings of its own, and makes of them what a
 * door needs. Which source is meant, methods, sizes and the commit are the door's affair.
 */
import type { z } from 'zod'
import type { Said } from './said.ts'
import type { Check, SourceRequest } from './source.ts'

/** What every source has, whatever its kind. Texts are templates of `said.ts`; null is the kind's own choice. */
export interface SourcePlace {
  /** Of the source. */
  name: string
  /** The address that is registered at the sender, where that is signed. */
  publicUrl: string | null
  eventType: string | null
  dedupe: string | null
}

/** An answer to a request that is no event. */
export interface Reply {
  status: number
  contentType: string
  body: string
}

export interface OpenSource {
  /** Answers what the sender wants to know before it sends anything; null for an event. Nothing is stored for it. */
  challenge?(request: SourceRequest): Reply | null
  verify: Check
  /** The event of a request that is verified. */
  read(request: SourceRequest): Said
}

/** An object of settings as a component of the API's document: `named` of the HTTP part reads the same mark. */
export const component = <S extends z.ZodType>(name: string, schema: S): S => schema.meta({ 'x-component': name })

export interface SourceKind {
  readonly kind: string
  /** Its own settings, as the API writes them. Output is JSON that the schema takes again. */
  readonly settings: z.ZodObject
  /** Takes settings that its schema has parsed. Throws a RangeError, a sentence for the source's owner. */
  open(settings: Record<string, unknown>, place: SourcePlace): OpenSource
  /** Why nothing could ever be verified by this secret; null when something can. */
  secretProblem(secret: string, settings: Record<string, unknown>): string | null
}
