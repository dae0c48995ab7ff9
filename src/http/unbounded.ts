/** Holds the schemas of requests to `bounded.ts`. */
// The library's own access for code that walks schemas: https://zod.dev/library-authors.
/* oxlint-disable no-underscore-dangle */
import { z } from 'zod'
import { isWholeBody } from './bounded.ts'

/**
 * Places where `schema` takes a text, list, map or other value without a bound; one line for each, empty when all are
 * bounded.
 */
export function unboundedIn(schema: z.core.$ZodType, at = ''): string[] {
  if (isWholeBody(schema as z.ZodType)) return []
  const { def } = (schema as z.core.$ZodTypes)._zod
  // Types that are not named below have no bound.
  // oxlint-disable-next-line typescript/switch-exhaustiveness-check
  switch (def.type) {
    case 'string':
      return hasMax(def) ? [] : [`${at}: a text without a maximum`]
    case 'array':
      return [...(hasMax(def) ? [] : [`${at}: a list without a maximum`]), ...unboundedIn(def.element, `${at}[]`)]
    case 'object':
      return [
        ...(def.catchall === undefined || isNever(def.catchall) ? [] : [`${at}: more members than it names`]),
        ...Object.entries(def.shape).flatMap(([name, member]) => unboundedIn(member, `${at}.${name}`)),
      ]
    case 'union':
      return def.options.flatMap((option, i) => unboundedIn(option, `${at}|${i}`))
    case 'pipe':
      return pipeProblems(def, at)
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'readonly':
      return unboundedIn(def.innerType, at)
    case 'number':
    case 'boolean':
    case 'enum':
    case 'literal':
    case 'null':
    case 'undefined':
    case 'never':
      return []
    default:
      return [`${at}: ${def.type}, which nobody has bounded`]
  }
}

/** A map is a pipe: its size is checked in front of it. */
function pipeProblems({ in: before, out }: z.core.$ZodPipeDef, at: string): string[] {
  const { def } = (out as z.core.$ZodTypes)._zod
  if (def.type === 'record') {
    const isCounted = isTransform(before) && z.globalRegistry.get(out)?.['maxProperties'] !== undefined
    return [
      ...(isCounted ? [] : [`${at}: a map without a maximum`]),
      ...unboundedIn(def.keyType, `${at}{name}`),
      ...unboundedIn(def.valueType, `${at}{}`),
    ]
  }
  return isTransform(before) ? unboundedIn(out, at) : unboundedIn(before, at)
}

const isTransform = (schema: z.core.$ZodType): boolean => schema._zod.def.type === 'transform'
const isNever = (schema: z.core.$ZodType): boolean => schema._zod.def.type === 'never'

const hasMax = ({ checks }: z.core.$ZodTypeDef): boolean =>
  checks?.some((check) => ['max_length', 'length_equals'].includes(check._zod.def.check)) ?? false

const PARTS = ['params', 'querystring', 'headers', 'body'] as const

/** Throws when a route takes a value without a bound: such a gateway does not start. */
export function assertBounded({ url, schema }: { url: string; schema?: object | undefined }): void {
  const problems = PARTS.flatMap((part) => {
    const type = (schema as Partial<Record<string, unknown>> | undefined)?.[part]
    return type instanceof z.ZodType ? unboundedIn(type, part) : []
  })
  if (problems.length > 0) throw new Error(`The route ${url} takes what has no bound: ${problems.join('; ')}`)
}
