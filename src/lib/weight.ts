/**
 * Estimates the bytes of a value, as JSON or in memory, closely enough to keep caches and pages within a bound. A text
 * counts a byte for each UTF-16 unit, bytes count themselves, and every member adds a few. Meant for values from rows,
 * which are shallow.
 */
export function weightOf(value: unknown): number {
  if (typeof value === 'string') return value.length + 16
  if (typeof value !== 'object' || value === null) return 8
  if (ArrayBuffer.isView(value)) return value.byteLength + 16
  let bytes = 32
  if (Array.isArray(value)) {
    for (const item of value) bytes += weightOf(item)
    return bytes
  }
  for (const [name, member] of Object.entries(value)) bytes += name.length + weightOf(member)
  return bytes
}
