/**
 * The port of kinds of sources: one file for each kind, named in `kinds.ts`. A kind has its own settings, and builds
 * from them the parts that a door needs. The door itself finds the source, checks methods and sizes, and commits.
 */
import type { z } from 'zod'
import type { Said } from './said.ts'
import type { Check, SourceRequest } from './source.ts'

/** The parts that every source has, of any kind. Texts are templates of `said.ts`; null is the kind's own choice. */
export interface SourcePlace {
  /** Settings of the source. */
  name: string
  /** The address that is registered at the sender, when the sender signs it. */
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
  /**
   * Answers a question that the sender asks before it sends events; null for an event. Nothing is stored for a
   * question.
   */
  challenge?(request: SourceRequest): Reply | null
  verify: Check
  /** The event of a verified request. */
  read(request: SourceRequest): Said
}

/** Marks an object of settings as a component of the API's document; `named` of the HTTP part reads the same mark. */
export const component = <S extends z.ZodType>(name: string, schema: S): S => schema.meta({ 'x-component': name })

export interface SourceKind {
  readonly kind: string
  /** The kind's own settings, as the API writes them. The output is JSON that the schema accepts again. */
  readonly settings: z.ZodObject
  /**
   * Takes settings that the kind's schema has parsed. Throws a RangeError, whose sentence is for the source's owner.
   */
  open(settings: Record<string, unknown>, place: SourcePlace): OpenSource
  /** Says why this secret could never verify anything; null when it can. */
  secretProblem(secret: string, settings: Record<string, unknown>): string | null
}
