/**
 * Defaults of another program, for users who move from it: variables of the environment. A variable that is set has
 * precedence.
 */
const PRESETS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  svix: { MAX_BODY: '2mb', RETRY_SCHEDULE: 'svix' },
}

/** True when there is a preset of this name, in either case. */
export const isCompatible = (name: string): boolean => Object.hasOwn(PRESETS, name.toLowerCase())

export const presetOf = (name: string): Readonly<Record<string, string>> =>
  isCompatible(name) ? PRESETS[name.toLowerCase()]! : {}
