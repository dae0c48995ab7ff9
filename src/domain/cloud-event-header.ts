/** Attributes of CloudEvents in headers (https://github.com/cloudevents/spec, http-protocol-binding.md 3.1.3). */
import { isUtf8 } from 'node:buffer'

// oxlint-disable-next-line no-control-regex
const BEYOND_ASCII = /[^\x00-\x7f]/

/**
 * The value that a header means; null when it is not UTF-8. Half of the SDKs send UTF-8 as it is instead of
 * percent-encoding it, and Node reads header bytes as Latin-1. Then, as 3.1.3.2 says: unquote once, and decode percent
 * signs once.
 */
export function decodeAttribute(header: string): string | null {
  let text = header
  if (BEYOND_ASCII.test(text)) {
    const bytes = Buffer.from(text, 'latin1')
    if (!isUtf8(bytes)) return null
    text = bytes.toString('utf8')
  }
  const unquoted = /^".*"$/s.test(text) ? text.slice(1, -1).replaceAll(/\\(.)/gs, '$1') : text
  try {
    return decodeURIComponent(unquoted.replaceAll(/%(?![0-9a-fA-F]{2})/g, '%25'))
  } catch {
    return null
  }
}

/** The identity of a CloudEvent when it is sent again: its source and its id (spec.md, "id"). */
export const cloudEventIdentity = (source: string, id: string): string => JSON.stringify([source, id])
