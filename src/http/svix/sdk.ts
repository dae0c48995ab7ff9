/** Facts about the official SDKs, for cases in which one answer does not suit all of their versions. */

/** SDKs name themselves at the start of `User-Agent`: `svix-libs/2.7.0/python`. */
const SDK = /^svix-libs\/(\d{1,5})\.(\d{1,5})\.\d{1,5}/

/** From this version on, SDKs read `{key}` from the answer to a rotation. Older ones fail when there is a body. */
const READS_ROTATED_KEY = { major: 2, minor: 7 }

/**
 * True when this client wants the new key when it rotates a secret. A client that is no SDK gets the contract's answer:
 * nothing.
 */
export function readsRotatedKey(userAgent: string | undefined): boolean {
  const [, major, minor] = SDK.exec(userAgent ?? '') ?? []
  if (major === undefined) return false
  const since = READS_ROTATED_KEY
  return Number(major) > since.major || (Number(major) === since.major && Number(minor) >= since.minor)
}
