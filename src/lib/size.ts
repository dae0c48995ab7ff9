const UNIT_BYTES: Readonly<Record<string, number>> = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 }
const SIZE = /^(\d+(?:\.\d+)?)(b|kb|mb|gb)$/

/**
 * Reads a size such as `512b`, `64kb`, `1mb` or `1.5GB` (powers of 1024, any case) and returns whole bytes. Null when
 * the text is malformed (the unit is required, without spaces), is no whole number of bytes, or is beyond what a number
 * holds exactly.
 */
export function parseSize(text: string): number | null {
  const [, digits = '', unit = ''] = SIZE.exec(text.toLowerCase()) ?? []
  const unitBytes = UNIT_BYTES[unit]
  if (unitBytes === undefined) return null
  const bytes = Number(digits) * unitBytes
  return Number.isSafeInteger(bytes) ? bytes : null
}
