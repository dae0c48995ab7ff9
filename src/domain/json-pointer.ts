/** A JSON pointer of RFC 6901, such as `/project/id`. */
export const isJsonPointer = (text: string): boolean => /^(\/([^~/]|~[01])*)+$/.test(text)

/** The member names that `pointer` goes through. */
export const stepsOf = (pointer: string): string[] =>
  pointer
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))

/** The value that `pointer` names in `document`; undefined when there is none. */
export function atPointer(document: unknown, pointer: string): unknown {
  let at = document
  for (const name of stepsOf(pointer)) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined
    at = (at as Record<string, unknown>)[name]
  }
  return at
}
