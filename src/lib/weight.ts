/**
 * About how many bytes a value takes, as JSON or in memory: enough to keep caches and pages within a bound. Texts count a byte for
 * each UTF-16 unit, bytes themselves, and every member a few more. For values from rows, which are shallow.
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
