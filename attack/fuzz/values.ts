/** Values that a schema allows, and values that nobody expects. */
import type { Schema } from './document.ts'
import type { Random } from './random.ts'

/** Names of things that are there, by the name of the parameter or member that holds one. */
export type Names = Readonly<Record<string, readonly string[]>>

/** Whatever is a URL stays on this machine: nothing listens there. */
const URLS = ['http://127.0.0.1:9/', 'http://127.0.0.1:9/hook?a=b', 'http://127.0.0.2:9/%20', 'HTTP://127.1:9']

const ODD_TEXTS = [
  '',
  ' ',
  '.',
  '..',
  '../..',
  '%2e%2e',
  '%00',
  '\0',
  '\r\nx-a: b',
  'ünï ☃ 🦊',
  '\ud800',
  'a'.repeat(257),
  'a'.repeat(5_000),
  '☃'.repeat(3_000),
  '__proto__',
  'constructor',
  'toString',
  "'; DROP TABLE msg; --",
  '{{7*7}}',
  '-1',
  '1e999',
  '9'.repeat(400),
  'NaN',
  'null',
  '[]',
  '2026-13-45T99:99:99Z',
  '0000-01-01T00:00:00Z',
  '9999-12-31T23:59:59.999999999999Z',
  'org_a',
  'app_',
  'ep_zzzzzzzzzzzzzzzzzzzzzzzzzzz',
  'msg_000000000000000000000000000',
  'whsec_',
  `whsk_${'A'.repeat(88)}`,
  'http://[::1]:9/',
  'http://127.0.0.1:99999/',
  'javascript:alert(1)',
  '*',
  '**',
  'user.*',
  '-'.repeat(40),
]
const CHARACTERS = ['a', 'b', 'Z', '0', '9', '-', '_']
const ODD_NUMBERS = [0, -0, -1, 1, 0.5, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 53), 1e308, 65_535, 65_536, 1e21]

export const oddText = (random: Random): string => random.pick(ODD_TEXTS)

export function oddValue(random: Random): unknown {
  switch (random.below(9)) {
    case 0:
      return null
    case 1:
      return random.chance(0.5)
    case 2:
      return random.pick(ODD_NUMBERS)
    case 3:
      return Array.from({ length: random.pick([0, 1, 11, 300, 20_000]) }, () => random.pick([0, '', 'a', null]))
    case 4:
      return Object.fromEntries(Array.from({ length: random.pick([0, 1, 60, 3_000]) }, (_, n) => [`k${n}`, n]))
    case 5:
      return nested(random.pick([3, 250, 3_000]), random.chance(0.5))
    case 6:
      return JSON.parse('{"__proto__":{"isAdmin":true},"constructor":{"prototype":1}}')
    default:
      return oddText(random)
  }
}

function nested(levels: number, inLists: boolean): unknown {
  let value: unknown = 1
  for (let level = 0; level < levels; level++) value = inLists ? [value] : { a: value }
  return value
}

/** A value that `schema` allows, as far as a schema can say so. `name` is that of its member or parameter. */
export function validValue(schema: Schema, name: string, names: Names, random: Random): unknown {
  if (schema.const !== undefined) return schema.const
  if (schema.enum !== undefined) return random.pick(schema.enum)
  if (schema.anyOf !== undefined && schema.type === undefined)
    return validValue(random.pick(schema.anyOf), name, names, random)
  const known = names[name]
  const type = [schema.type].flat()[0] ?? 'whatever'
  switch (type) {
    case 'string':
      return known !== undefined && random.chance(0.9) ? random.pick(known) : validText(schema, random)
    case 'integer':
    case 'number':
      return validNumber(schema, random)
    case 'boolean':
      return random.chance(0.5)
    case 'array':
      return Array.from({ length: Math.max(schema.minItems ?? 0, random.below(3)) }, () =>
        validValue(schema.items ?? {}, name, names, random),
      )
    case 'object':
      return validObject(schema, names, random)
    case 'null':
      return null
    default:
      return { any: 'thing' }
  }
}

function validText({ format, minLength = 0, maxLength = 20 }: Schema, random: Random): string {
  if (format === 'uri') return random.pick(URLS)
  if (format === 'date-time') return new Date(Date.now() - random.below(3_600_000)).toISOString()
  const length = random.chance(0.05) ? Math.min(maxLength, 4_096) : Math.max(minLength, 1 + random.below(12))
  return Array.from({ length }, () => random.pick(CHARACTERS)).join('')
}

function validNumber({ minimum = 0, maximum = minimum + 1_000 }: Schema, random: Random): number {
  return random.chance(0.2) ? random.pick([minimum, maximum]) : minimum + random.below(maximum - minimum)
}

/** A schema cannot say that one of two names is needed. */
const isNeeded = (name: string, required: readonly string[]): boolean => required.includes(name) || name === 'payload'

function validObject(schema: Schema, names: Names, random: Random): Record<string, unknown> {
  const { properties = {}, required = [], additionalProperties } = schema
  const members = Object.entries(properties)
    .filter(([name, of]) => isNeeded(name, required) || random.chance(of.deprecated === true ? 0.05 : 0.3))
    .map(([name, of]): [string, unknown] => [name, validValue(of, name, names, random)])
  if (typeof additionalProperties === 'object' && random.chance(0.7))
    members.push([`x-${random.below(9)}`, validValue(additionalProperties, '', names, random)])
  return Object.fromEntries(members)
}

/** The value with something in it that is not as it was. */
export function mutated(value: unknown, random: Random): unknown {
  if (typeof value !== 'object' || value === null || random.chance(0.1)) return oddValue(random)
  if (Array.isArray(value)) {
    if (random.chance(0.3)) return Array.from({ length: random.pick([12, 1_001, 30_000]) }, () => value[0] ?? '')
    return [...(value as unknown[]), oddValue(random)]
  }
  const members = Object.entries(value)
  const [name, member] = members.length > 0 ? random.pick(members) : ['a', 1]
  const rest = members.filter(([other]) => other !== name)
  switch (random.below(4)) {
    case 0:
      return Object.fromEntries(rest)
    case 1:
      return Object.fromEntries([...members, [oddText(random), oddValue(random)]])
    default:
      return Object.fromEntries([...rest, [name, mutated(member, random)]])
  }
}
