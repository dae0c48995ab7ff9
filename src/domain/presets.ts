/** Defaults of another program, for those who come from it: variables of the environment. What is set by itself counts. */
const PRESETS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  svix: { MAX_BODY: '2mb', RETRY_SCHEDULE: 'svix' },
}

/** Whether there is a preset of this name, in either case. */
export const isCompatible = (name: string): boolean => Object.hasOwn(PRESETS, name.toLowerCase())

export const presetOf = (name: string): Readonly<Record<string, string>> =>
  isCompatible(name) ? PRESETS[name.toLowerCase()]! : {}
