/**
 * Values of statements, to and from PostgreSQL. A batch is one statement whose parameters are arrays, one for each
 * column. The arrays are written here because most of the main thread's work for a batch is writing these texts.
 */

import type { Value as AnyValue } from '../shared/value.ts'

/**
 * PostgreSQL's text has no NUL, but JSON strings, and the answers of receivers, may have one. A NUL is stored as two
 * characters that begin with a noncharacter, which no text is meant to contain. If a text has this noncharacter, that
 * is stored as two characters, too.
 */
const MARK = '\uFDD0'
const NUL = `${MARK}0`
const MARK_ITSELF = `${MARK}1`

export const toText = (text: string): string =>
  text.includes('\0') || text.includes(MARK) ? text.replaceAll(MARK, MARK_ITSELF).replaceAll('\0', NUL) : text

export const fromText = (text: string): string =>
  text.includes(MARK) ? text.replaceAll(/\uFDD0([01])/g, (_, kind) => (kind === '0' ? '\0' : MARK)) : text

/** Values of a statement of both engines; a list is an array literal. */
export const bound = (values: readonly AnyValue[]): Exclude<AnyValue, readonly string[]>[] =>
  values.map((value) => (isList(value) ? textArray(value) : value))

const isList = (value: AnyValue): value is readonly string[] => Array.isArray(value)

const NEEDS_ESCAPE = /["\\]/

/** An array literal (https://www.postgresql.org/docs/14/arrays.html#ARRAYS-IO). */
export function textArray(values: readonly (string | null)[]): string {
  let literal = '{'
  for (const value of values) {
    if (literal.length > 1) literal += ','
    if (value === null) literal += 'NULL'
    else if (NEEDS_ESCAPE.test(value)) literal += `"${value.replaceAll(/["\\]/g, String.raw`\$&`)}"`
    else literal += `"${value}"`
  }
  return `${literal}}`
}

export const numberArray = (values: readonly (number | null)[]): string =>
  `{${values.map((value) => (value === null ? 'NULL' : value)).join(',')}}`

/**
 * All payloads as one value, and the position of each in it: far cheaper to send and to read than an array of bytes.
 */
export function concatenated(chunks: readonly Uint8Array[]): { bytes: Buffer; starts: number[]; lengths: number[] } {
  const starts: number[] = []
  const lengths: number[] = []
  let at = 1
  for (const { byteLength } of chunks) {
    starts.push(at)
    lengths.push(byteLength)
    at += byteLength
  }
  return { bytes: Buffer.concat(chunks, at - 1), starts, lengths }
}

// Object ids of built-in types: src/include/catalog/pg_type.dat.
const BYTEA = 17
const INT8 = 20
const INT4 = 23
const INT2 = 21
const BOOL = 16
const NUMERIC = 1700
const FLOAT8 = 701
const NUMBERS: ReadonlySet<number> = new Set([INT8, INT4, INT2, NUMERIC, FLOAT8])

const asNumber = (value: string): unknown => Number(value)
const asBytes = (value: string): unknown => Buffer.from(value.slice(2), 'hex')
const asBoolean = (value: string): unknown => value === 't'

/** Readers of the columns. Times and counts are far below 2^53, so an int8 becomes a number here. */
export const COLUMN_TYPES = {
  getTypeParser(oid: number): (value: string) => unknown {
    if (NUMBERS.has(oid)) return asNumber
    if (oid === BYTEA) return asBytes
    if (oid === BOOL) return asBoolean
    return fromText
  },
}
