/**
 * Every setting: a variable of the environment, how it is read, and what the document says of it. An entry here is all that
 * a setting needs, beside the line that hands it on in the compose files. Members have the names of `Config` and `Secrets`.
 */
import { DATA, NODES } from './data.ts'
import { DELIVERIES } from './deliveries.ts'
import { ACCESS, COMPATIBILITY, CONNECTIONS, LOG } from './inbound.ts'
import type { Setting } from './setting.ts'
import { SVIX } from './svix.ts'

/** By the heading of docs/configuration.md under which their table stands. */
export const SECTIONS: Readonly<Record<string, Readonly<Record<string, Setting<unknown>>>>> = {
  'Where it listens, and who may': ACCESS,
  'Coming from another program': COMPATIBILITY,
  'What connections may take': CONNECTIONS,
  'Where it keeps its data, and how long': DATA,
  'Several nodes': NODES,
  'How it delivers': DELIVERIES,
  'Notifications to Svix': SVIX,
  'What it says': LOG,
}

export const SETTINGS = {
  ...ACCESS,
  ...COMPATIBILITY,
  ...CONNECTIONS,
  ...DATA,
  ...NODES,
  ...DELIVERIES,
  ...SVIX,
  ...LOG,
}

type Table = typeof SETTINGS
export type SettingName = keyof Table
type ValueOf<S> = S extends Setting<infer T> ? T : never
type NamesOf<Secret extends boolean> = {
  [Name in SettingName]: Table[Name] extends Setting<unknown, Secret> ? Name : never
}[SettingName]

/** What each setting is read into. */
export type Values = { [Name in SettingName]: ValueOf<Table[Name]> }
/** Of those that anyone may see. */
export type PlainValues = Pick<Values, NamesOf<false>>
/** Of those that show themselves to no one. */
export type SecretValues = Pick<Values, NamesOf<true>>
