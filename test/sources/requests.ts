import type { SourceRequest } from '../../src/sources/source.ts'

/** A request as a sender makes it. A header with a list of values came once for each. */
export function sourceRequest(given: {
  headers?: Record<string, string | string[]>
  body?: string | Uint8Array
  method?: string
  path?: string
  query?: string
}): SourceRequest {
  const headers = new Map(Object.entries(given.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]))
  return {
    method: given.method ?? 'POST',
    path: given.path ?? '/in/source',
    query: given.query ?? '',
    headers: (name) => [headers.get(name) ?? []].flat(),
    body: Buffer.from(given.body ?? ''),
  }
}
