/** Reads an environment by the table, each setting by itself. Rules between settings are in `config.ts`. */
import { presetOf } from '../domain/presets.ts'
import type { Setting } from './setting.ts'
import { type PlainValues, type SecretValues, type SettingName, SETTINGS, type Values } from './table.ts'

/** A variable, and the rest of the sentence. */
export type Problem = readonly [variable: string, problem: string]

export interface Given {
  name: SettingName
  setting: Setting<unknown>
  text: string
  source: 'environment' | 'preset' | 'default'
}

type Entry = readonly [SettingName, Setting<unknown>]

const ENTRIES = Object.entries(SETTINGS) as unknown as readonly Entry[]

const LINE_BREAKS = /^[\r\n]+|[\r\n]+$/g

/**
 * Removes line breaks and blanks at the ends, which environment files and secrets of Kubernetes leave without meaning.
 */
const trimmed = (text: string, { kind }: Setting<unknown>): string =>
  kind.isExact ? text.replaceAll(LINE_BREAKS, '') : text.trim()

/** The keys from which line breaks were removed: any other program that signs with them has to do the same. */
export const keysWithLineBreaks = (environment: NodeJS.ProcessEnv): string[] =>
  ENTRIES.filter(
    ([, { kind, variable }]) => kind.isExact && (environment[variable] ?? '').search(LINE_BREAKS) >= 0,
  ).map(([, { variable }]) => variable)

/** The text of every setting, and where it comes from. */
export function givenIn(environment: NodeJS.ProcessEnv): Given[] {
  const preset = presetOf(environment[SETTINGS.compatibility.variable]?.trim() ?? '')
  return ENTRIES.map(([name, setting]) => {
    const { variable, kind } = setting
    const set = environment[variable]
    const text = set === undefined ? undefined : trimmed(set, setting)
    // Compose files pass on an unset variable as an empty text.
    const isSet = text !== undefined && (text !== '' || kind.default !== '')
    if (isSet) return { name, setting, text, source: 'environment' }
    const ofPreset = preset[variable]
    return ofPreset === undefined
      ? { name, setting, text: kind.default, source: 'default' }
      : { name, setting, text: ofPreset, source: 'preset' }
  })
}

/** The values that could be read, and the problems of the others. */
export function readEach(given: readonly Given[]): { values: Partial<Values>; problems: Problem[] } {
  const values: Partial<Record<SettingName, unknown>> = {}
  const problems: Problem[] = []
  for (const { name, setting, text } of given) {
    const read = setting.kind.read(text)
    if ('value' in read) values[name] = read.value
    else for (const problem of read.problems) problems.push([setting.variable, problem])
  }
  return { values: values as Partial<Values>, problems }
}

/** Separates the secrets from the other values. */
export function apart(values: Values): { plain: PlainValues; secrets: SecretValues } {
  const those = (isSecret: boolean) =>
    Object.fromEntries(
      ENTRIES.filter(([, setting]) => setting.isSecret === isSecret).map(([name]) => [name, values[name]]),
    )
  return { plain: those(false) as unknown as PlainValues, secrets: those(true) as unknown as SecretValues }
}
