/** How a sender proves who it is. Verification sees the raw bytes, before anything is parsed. */
export interface Scheme {
  readonly name: string
  /**
   * True only if the request carries a valid signature by one of `secrets`. An empty list is never valid. `now` is the gateway's
   * time in milliseconds, for schemes that sign a time.
   */
  verify(request: SignedRequest, secrets: readonly string[], now: number): boolean
}

export interface SignedRequest {
  /** One value for each header, names in lower case. A repeated header arrives joined by commas and so verifies nowhere. */
  header(name: string): string | undefined
  /** The bytes as they came. */
  body: Uint8Array
}
