import type { EndpointSecret } from './endpoint.ts'
import type { AppId, SourceId } from './ids.ts'

/** A door for a sender that signs: `POST /in/{name}`. Times are milliseconds since the epoch. */
export interface Source {
  appId: AppId
  id: SourceId
  /** Unique in the application. */
  name: string
  /** The kind of source, which defines how its sender signs. */
  provider: string
  enabled: boolean
  settings: SourceSettings
  /** Newest first. Any active secret verifies; without one, no request does. */
  secrets: EndpointSecret[]
  createdAt: number
  updatedAt: number
}

export interface SourceSettings {
  /** The address of the source as it is registered at the sender. */
  publicUrl: string | null
  methods: string[]
  /** Media types, without parameters; null is any. */
  contentTypes: string[] | null
  /** Templates; null is the kind's own choice. */
  eventType: string | null
  dedupe: string | null
  /** The answer to an accepted event; null is `200 {"status":"ok"}`. */
  response: SourceResponse | null
  /** Settings of the kind, as its schema gives them. */
  own: Record<string, unknown>
}

export interface SourceResponse {
  status: number
  contentType: string
  body: string
}

/** A source of which only its place, name and kind are known. */
export const blankSource = ({
  now,
  ...given
}: Pick<Source, 'appId' | 'id' | 'name' | 'provider'> & { now: number }): Source => ({
  ...given,
  enabled: true,
  settings: {
    publicUrl: null,
    methods: ['POST'],
    contentTypes: null,
    eventType: null,
    dedupe: null,
    response: null,
    own: {},
  },
  secrets: [],
  createdAt: now,
  updatedAt: now,
})

export const SOURCE_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/

/** A reserved word, not a name: `/sources/providers` is a route. */
export const SOURCE_NAMES_TAKEN: readonly string[] = ['providers']

/** The most sources of one application, whatever creates them. */
export const SOURCES_MAX = 1_000
