/**
 * All settings. An entry gives the variable of the environment, how the variable is read, and its text in the document.
 * A new setting needs an entry here, and the line that passes it on in the compose files. Members have the names of
 * `Config` and `Secrets`.
 */
import { DATA, NODES } from './data.ts'
import { DELIVERIES } from './deliveries.ts'
import { ACCESS, COMPATIBILITY, CONNECTIONS, LOG } from './inbound.ts'
import type { Setting } from './setting.ts'
import { SVIX } from './svix.ts'

/** Settings by the heading of docs/configuration.md under which their table stands. */
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

/** The type of each setting's value. */
export type Values = { [Name in SettingName]: ValueOf<Table[Name]> }
/** Values of plain settings. */
export type PlainValues = Pick<Values, NamesOf<false>>
/** Values of secret settings. */
export type SecretValues = Pick<Values, NamesOf<true>>
