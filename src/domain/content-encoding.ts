/** The compression of a body, as `Content-Encoding` names it (RFC 9110, 8.4). */

export const CODINGS = ['gzip', 'deflate', 'br', 'zstd'] as const
export type Coding = (typeof CODINGS)[number]

/** The most codings applied one after the other. Each costs as much work as the body is large. */
export const CODINGS_MAX = 3

const BY_NAME = new Map<string, Coding>([...CODINGS.map((coding) => [coding, coding] as const), ['x-gzip', 'gzip']])

/**
 * The codings in the order in which they were applied; none for a body that is not compressed. Null when one is
 * unknown, or when there are too many.
 */
export function codingsOf(header: string): Coding[] | null {
  const codings: Coding[] = []
  for (const part of header.split(',', 100)) {
    const name = part.trim().toLowerCase()
    if (name === '' || name === 'identity') continue
    const coding = BY_NAME.get(name)
    if (coding === undefined || codings.length >= CODINGS_MAX) return null
    codings.push(coding)
  }
  return codings
}
