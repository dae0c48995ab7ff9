/** Values at and beyond every bound that a schema sets, made of the schema alone. */
import type { Schema } from './documents.ts'

/** What is sent in the place of the valid value. */
export interface Case {
  /** The way to the value, from the schema that the case was made of. */
  at: (string | number)[]
  value: unknown
  /** Which bound it is at or beyond, as a test's name says it. */
  what: string
  isValid: boolean
}

/** A valid text that can be made as long as it has to be. */
const FILLS: ((length: number) => string)[] = [
  (length) => 'a'.repeat(length),
  (length) => `+${'1'.repeat(Math.max(length - 1, 0))}`,
  (length) => `${'0'.repeat(Math.max(length - 2, 0))}5s`,
  (length) => `${'a'.repeat(Math.max(length - 2, 0))}.*`,
  (length) => 'https://example.com/'.padEnd(length, 'a'),
  (length) => 'text/'.padEnd(length, 'a'),
  (length) => 'content-type'.padEnd(length, 's'),
  (length) => `${'2026-01-15T10:00:00.'.padEnd(length - 1, '0')}Z`,
]
/** One of them is valid, whatever the pattern is; and each pattern refuses one. */
const SAMPLES = [
  'a',
  'user.created',
  '+14155550100',
  '5s',
  '2026-01-15T10:00:00Z',
  'https://example.com/',
  'application/json',
  'content-type',
  'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD',
  `sha256=${'0'.repeat(64)}`,
  '0'.repeat(64),
  'ep_2p1dTq0vAc3m5n7R9sXyZbCdEfG',
  'msg_2p1dTq0vAc3m5n7R9sXyZbCdEfG',
  'app_2p1dTq0vAc3m5n7R9sXyZbCdEfG',
  'atmpt_2p1dTq0vAc3m5n7R9sXyZbCdEfG',
  'qtask_2p1dTq0vAc3m5n7R9sXyZbCdEfG',
]
const REFUSED = ['..', '!', 'a,b', 'a:b c', '*', '5', 'none', 'x☃', 'a\u0001b']
const FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  uri: (text) => URL.canParse(text),
  'date-time': (text) => /^\d{4}-\d\d-\d\dT[\d:]+(\.\d+)?Z$/.test(text),
  binary: () => true,
}

const isText = ({ minLength = 0, maxLength = Infinity, pattern, format }: Schema, text: string): boolean =>
  text.length >= minLength &&
  text.length <= maxLength &&
  (pattern === undefined || new RegExp(pattern, 'u').test(text)) &&
  (format === undefined || FORMATS[format]!(text))

/** Of a schema that refers to nothing. Throws where it knows no valid value: then a sample is missing. */
export function validValue(schema: Schema): unknown {
  if (schema.enum !== undefined) return schema.enum[0]
  if (schema.anyOf !== undefined) return validValue(schema.anyOf[0]!)
  switch ([schema.type].flat()[0] ?? 'object') {
    case 'string':
      return validText(schema)
    case 'integer':
      return schema.minimum ?? 1
    case 'boolean':
      return true
    case 'array':
      return Array.from({ length: schema.minItems ?? 0 }, () => validValue(schema.items ?? {}))
    default:
      return Object.fromEntries(
        (schema.required ?? []).map((name) => [name, validValue(schema.properties?.[name] ?? {})]),
      )
  }
}

function validText(schema: Schema): string {
  const found = SAMPLES.find((text) => isText(schema, text))
  if (found === undefined) throw new Error(`No sample is valid for ${JSON.stringify(schema)}`)
  return found
}

/** What there is, with a value in the place `at`. */
export function withValue(body: unknown, [step, ...rest]: Case['at'], value: unknown): unknown {
  if (step === undefined) return value
  const members = body as Record<string, unknown> | undefined
  return { ...members, [step]: withValue(members?.[step], rest, value) }
}

/** All cases of a schema that refers to nothing. */
export function casesOf(schema: Schema): Case[] {
  if (schema.anyOf !== undefined) return casesOfChoice(schema.anyOf)
  const types = [schema.type].flat()
  const nulls = types.includes('null') ? [at('null', null, true)] : []
  const cases = types.flatMap((type) => {
    if (type === 'string') return schema.enum === undefined ? casesOfText(schema) : [at('enum', 'none of them', false)]
    if (type === 'integer') return casesOfInteger(schema)
    if (type === 'array') return casesOfList(schema)
    if (type === 'object') return casesOfObject(schema)
    return type === 'boolean' ? [at('no boolean', 'maybe', false)] : []
  })
  return [...nulls, ...cases]
}

const at = (what: string, value: unknown, isValid: boolean): Case => ({ at: [], value, what, isValid })

/** What one of the choices refuses another one may allow, so that only what is valid is certain, and null. */
function casesOfChoice(choices: readonly Schema[]): Case[] {
  const others = choices.filter(({ type }) => type !== 'null')
  const nulls = others.length < choices.length ? [at('null', null, true)] : []
  return [...nulls, ...others.flatMap((one) => casesOf(one))]
}

function casesOfText(schema: Schema): Case[] {
  const { minLength, maxLength, pattern, format } = schema
  const cases: Case[] = []
  const filled = (length: number) => FILLS.map((fill) => fill(length)).find((text) => isText(schema, text))
  for (const length of [minLength, maxLength].filter((one) => one !== undefined)) {
    const text = filled(length)
    if (text === undefined) throw new Error(`No text of ${length} characters is valid for ${JSON.stringify(schema)}`)
    cases.push(at(`${length} characters`, text, true))
  }
  if (minLength !== undefined) cases.push(at('too few characters', 'a'.repeat(minLength - 1), false))
  if (maxLength !== undefined) {
    const longer = { ...schema, maxLength: maxLength + 1 }
    const text = FILLS.map((fill) => fill(maxLength + 1)).find((one) => isText(longer, one))
    cases.push(at('too many characters', text ?? 'a'.repeat(maxLength + 1), false))
  }
  if (pattern !== undefined || format !== undefined) {
    cases.push(at('a sample', validText(schema), true))
    const refused = REFUSED.filter((text) => !isText(schema, text))
    if (refused.length === 0) throw new Error(`Nothing is refused by ${JSON.stringify(schema)}`)
    cases.push(...refused.map((text) => at(`the text ${text}`, text, false)))
  }
  return cases
}

function casesOfInteger({ minimum, maximum, enum: only }: Schema): Case[] {
  if (only !== undefined) return [at('enum', 999, false), ...only.map((one) => at('enum', one, true))]
  return [
    ...[minimum, maximum].filter((one) => one !== undefined).map((one) => at(`the number ${one}`, one, true)),
    ...(minimum === undefined ? [] : [at('a smaller number', minimum - 1, false)]),
    ...(maximum === undefined ? [] : [at('a larger number', maximum + 1, false)]),
    at('a fraction', (minimum ?? 0) + 0.5, false),
  ]
}

function casesOfList({ items = {}, minItems, maxItems }: Schema): Case[] {
  const many = (length: number) => Array.from({ length }, () => validValue(items))
  return [
    ...[minItems, maxItems].filter((one) => one !== undefined).map((one) => at(`${one} items`, many(one), true)),
    ...(minItems === undefined || minItems === 0 ? [] : [at('too few items', many(minItems - 1), false)]),
    ...(maxItems === undefined ? [] : [at('too many items', many(maxItems + 1), false)]),
    ...casesOf(items).map((one) => ({
      ...one,
      at: [],
      value: [withValue(validValue(items), one.at, one.value)],
      what: `an item: ${one.at.join('.')} ${one.what}`,
    })),
  ]
}

function casesOfObject(schema: Schema): Case[] {
  const { properties = {}, required = [], additionalProperties, maxProperties, propertyNames } = schema
  const cases: Case[] = Object.entries(properties).flatMap(([name, member]) =>
    casesOf(member).map((one) => ({ ...one, at: [name, ...one.at] })),
  )
  cases.push(...required.map((name) => ({ at: [name], value: undefined, what: 'nothing', isValid: false })))
  if (typeof additionalProperties !== 'object' || maxProperties === undefined) return cases
  const value = validValue(additionalProperties)
  const first = isText(propertyNames ?? {}, 'x-0') ? 'x-0' : validText(propertyNames ?? {})
  const nameAt = (n: number) => (n === 0 ? first : `x-${n}`)
  const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [nameAt(n), value]))
  cases.push(at(`${maxProperties} members`, many(maxProperties), true))
  cases.push(at('too many members', many(maxProperties + 1), false))
  for (const one of casesOf(additionalProperties))
    cases.push({ ...one, at: [], value: { [first]: one.value }, what: `a member: ${one.what}` })
  for (const one of casesOf(propertyNames ?? {}))
    cases.push({ ...one, at: [], value: { [String(one.value)]: value }, what: `a name: ${one.what}` })
  return cases
}
