/**
 * Finds where values stand in a JSON text, so that they can be passed on byte for byte. Parsing and writing again would
 * change `1.0`, `1e5`, large integers, spacing and repeated members.
 */

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPEN = new Set([0x5b, 0x7b])
const CLOSE = new Set([0x5d, 0x7d])
const SPACE = new Set([0x20, 0x09, 0x0a, 0x0d])

/** The elements of a JSON array, as views of its bytes. The text has to be a valid JSON array in UTF-8. */
export function arrayElements(json: Uint8Array): Uint8Array[] {
  const elements: Uint8Array[] = []
  let at = skipSpace(json, 0) + 1
  for (;;) {
    const start = skipSpace(json, at)
    if (CLOSE.has(json[start] ?? 0x5d)) return elements
    const end = endOfValue(json, start)
    elements.push(json.subarray(start, end))
    at = skipSpace(json, end)
    if (json[at] !== COMMA) return elements
    at++
  }
}

/**
 * The value of a member of a JSON object, as a view of its bytes: the last one whose name is among `names`, as parsers
 * choose it. Null when there is none. The text has to be a valid JSON object in UTF-8.
 */
export function memberOf(json: Uint8Array, names: readonly string[]): Uint8Array | null {
  let found: Uint8Array | null = null
  let at = skipSpace(json, 0) + 1
  for (;;) {
    const nameStart = skipSpace(json, at)
    if (json[nameStart] !== QUOTE) return found
    const nameEnd = endOfString(json, nameStart) + 1
    const start = skipSpace(json, skipSpace(json, nameEnd) + 1)
    const end = endOfValue(json, start)
    if (names.includes(readString(json, nameStart, nameEnd))) found = json.subarray(start, end)
    at = skipSpace(json, end)
    if (json[at] !== COMMA) return found
    at++
  }
}

function readString(json: Uint8Array, start: number, end: number): string {
  const text = Buffer.from(json.buffer, json.byteOffset + start, end - start).toString('utf8')
  return text.includes('\\') ? (JSON.parse(text) as string) : text.slice(1, -1)
}

/** The position where the value that begins at `start` ends (exclusive). */
function endOfValue(json: Uint8Array, start: number): number {
  let depth = 0
  let at = start
  for (; at < json.length; at++) {
    const byte = json[at]!
    if (byte === QUOTE) at = endOfString(json, at)
    else if (OPEN.has(byte)) depth++
    else if (CLOSE.has(byte)) {
      if (depth === 0) return at
      depth--
    } else if (depth === 0 && (byte === COMMA || SPACE.has(byte))) return at
    if (depth === 0 && (byte === QUOTE || CLOSE.has(byte))) return at + 1
  }
  return at
}

/** The position of the quote that ends the string which begins at `start`. */
function endOfString(json: Uint8Array, start: number): number {
  let at = start + 1
  while (at < json.length && json[at] !== QUOTE) at += json[at] === BACKSLASH ? 2 : 1
  return at
}

function skipSpace(json: Uint8Array, start: number): number {
  let at = start
  while (SPACE.has(json[at] ?? 0)) at++
  return at
}
