/** Content types, as far as they matter where every body is JSON (RFC 9110, 8.3.1). */

const TOKEN = "[\\w!#$%&'*+.^`|~-]+"
const QUOTED = '"(?:[^"\\\\]|\\\\.)*"'
// Each character can be read in one way only, so that a long header that matches nothing costs no more than its length.
const WELL_FORMED = new RegExp(`^${TOKEN}/${TOKEN}[ \\t]*(?:;[ \\t]*(?:${TOKEN}=(?:${TOKEN}|${QUOTED})[ \\t]*)?)*$`)
const FIRST = new RegExp(`^["'\\s]*(${TOKEN}/${TOKEN})`)
const JSON_TYPE = /^[^;]*[/+]json[ \t]*(?:;|$)/i
const FORM_TYPE = /^application\/x-www-form-urlencoded[ \t]*(?:;|$)/i

export const JSON_MEDIA_TYPE = 'application/json'

/** Whether it says JSON: `application/json`, `text/json`, `…+json`, with parameters or without. */
export const isJsonType = (mediaType: string): boolean => JSON_TYPE.test(mediaType)

export const isFormType = (mediaType: string): boolean => FORM_TYPE.test(mediaType)

/**
 * The media type that a `Content-Type` header means. One that is well-formed is returned as it is. Of one that is doubled, quoted
 * or followed by something unreadable the first type is, without parameters. What names no type at all (an empty header, `json`,
 * `undefined`) is `application/json`, which all bodies are.
 */
export function mediaTypeOf(header: string): string {
  const text = header.trim()
  return WELL_FORMED.test(text) ? text : (FIRST.exec(text)?.[1] ?? JSON_MEDIA_TYPE)
}

/** What a body that is known to be JSON is called: as its sender calls it if that says JSON, else `application/json`. */
export const jsonTypeOf = (mediaType: string | undefined): string =>
  mediaType !== undefined && isJsonType(mediaType) ? mediaType : JSON_MEDIA_TYPE
