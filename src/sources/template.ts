/**
 * Templates such as `{ts}.{body}` and `{header:X-GitHub-Event}.{body:/action}`: literal text, and tokens in braces that
 * stand for parts of a request. The set of tokens depends on the template's purpose.
 */
import { isJsonPointer } from '../domain/json-pointer.ts'

export const TEMPLATE_CHARS_MAX = 512
const PARTS_MAX = 32

/** The part of a token behind the colon: nothing, or the name of a header, a parameter or a JSON pointer. */
export type Argument = 'none' | 'header' | 'name' | 'pointer'

export type Tokens = Readonly<Record<string, Argument>>

/** `argument` is the name of a header in lower case, a parameter's name, a pointer, or empty. */
export type Part<T extends string = string> = { text: string } | TokenPart<T>

export interface TokenPart<T extends string = string> {
  token: T
  argument: string
}

const PART = /\{([^{}]*)\}|[^{}]+|[{}]/g
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}$/
const PARAMETER_NAME = /^[^&=#{}\s]{1,128}$/

const PROBLEMS: Readonly<Record<Argument, (argument: string) => boolean>> = {
  none: (argument) => argument !== '',
  header: (argument) => !HEADER_NAME.test(argument),
  name: (argument) => !PARAMETER_NAME.test(argument),
  pointer: (argument) => !isJsonPointer(argument),
}

/** Parses a template. Throws a RangeError, whose sentence says what would be valid. */
export function parseTemplate<T extends Tokens>(text: string, tokens: T): Part<keyof T & string>[] {
  if (text.length > TEMPLATE_CHARS_MAX) throw new RangeError(`A template has at most ${TEMPLATE_CHARS_MAX} characters.`)
  const parts: Part<keyof T & string>[] = []
  for (const [whole, inside] of text.matchAll(PART)) {
    if (inside === undefined && (whole === '{' || whole === '}')) throw new RangeError('A brace stands alone.')
    parts.push(inside === undefined ? { text: whole } : parseToken(inside, tokens))
    if (parts.length > PARTS_MAX) throw new RangeError(`A template has at most ${PARTS_MAX} parts.`)
  }
  return parts
}

function parseToken<T extends Tokens>(inside: string, tokens: T): TokenPart<keyof T & string> {
  // A token's own name may contain a colon: `sha256hex:body`.
  if (tokens[inside] === 'none') return { token: inside, argument: '' }
  const colon = inside.indexOf(':')
  const token = colon === -1 ? inside : inside.slice(0, colon)
  const argument = colon === -1 ? '' : inside.slice(colon + 1)
  const kind = Object.hasOwn(tokens, token) ? tokens[token] : undefined
  if (kind === undefined || PROBLEMS[kind](argument)) {
    throw new RangeError(`{${inside}} is no token here: there are ${listOf(tokens)}.`)
  }
  return { token, argument: kind === 'header' ? argument.toLowerCase() : argument }
}

const EXAMPLES: Readonly<Record<Argument, string>> = {
  none: '',
  header: ':X-Name',
  name: ':name',
  pointer: ':/pointer',
}

const listOf = (tokens: Tokens): string =>
  Object.entries(tokens)
    .map(([token, argument]) => `{${token}${EXAMPLES[argument]}}`)
    .join(', ')
