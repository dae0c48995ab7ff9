/** Content types, as far as they matter when every body is JSON (RFC 9110, 8.3.1). */

const TOKEN = "[\\w!#$%&'*+.^`|~-]+"
const QUOTED = '"(?:[^"\\\\]|\\\\.)*"'
// Each character can be read in one way only, so a long header that matches nothing costs no more than its length.
const WELL_FORMED = new RegExp(`^${TOKEN}/${TOKEN}[ \\t]*(?:;[ \\t]*(?:${TOKEN}=(?:${TOKEN}|${QUOTED})[ \\t]*)?)*$`)
const FIRST = new RegExp(`^["'\\s]*(${TOKEN}/${TOKEN})`)
const JSON_TYPE = /^[^;]*[/+]json[ \t]*(?:;|$)/i
const FORM_TYPE = /^application\/x-www-form-urlencoded[ \t]*(?:;|$)/i

export const JSON_MEDIA_TYPE = 'application/json'

/** True for a JSON type: `application/json`, `text/json`, `…+json`, with parameters or without. */
export const isJsonType = (mediaType: string): boolean => JSON_TYPE.test(mediaType)

export const isFormType = (mediaType: string): boolean => FORM_TYPE.test(mediaType)

/**
 * The media type that a `Content-Type` header means. A well-formed header is returned unchanged. For a header that is
 * doubled, quoted or followed by something unreadable, the first type is returned, without parameters. A header that
 * names no type (empty, `json`, `undefined`) means `application/json`, since all bodies are JSON.
 */
export function mediaTypeOf(header: string): string {
  const text = header.trim()
  return WELL_FORMED.test(text) ? text : (FIRST.exec(text)?.[1] ?? JSON_MEDIA_TYPE)
}

/**
 * The media type of a body that is known to be JSON: the sender's if it is a JSON type, otherwise `application/json`.
 */
export const jsonTypeOf = (mediaType: string | undefined): string =>
  mediaType !== undefined && isJsonType(mediaType) ? mediaType : JSON_MEDIA_TYPE
