/** RFC 6901: `/project/id`. */
export const isJsonPointer = (text: string): boolean => /^(\/([^~/]|~[01])*)+$/.test(text)

/** The value that `pointer` names in `document`; undefined when there is none. */
export function atPointer(document: unknown, pointer: string): unknown {
  let at = document
  for (const step of pointer.slice(1).split('/')) {
    const name = step.replaceAll('~1', '/').replaceAll('~0', '~')
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined
    at = (at as Record<string, unknown>)[name]
  }
  return at
}
