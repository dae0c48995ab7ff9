/** What the official SDKs say about themselves, where one answer does not suit all of their versions. */

/** They name themselves at the start of `User-Agent`: `svix-libs/2.7.0/python`. */
const SDK = /^svix-libs\/(\d{1,5})\.(\d{1,5})\.\d{1,5}/

/** From here on they read `{key}` out of the answer to a rotation. Older ones break when there is a body. */
const READS_ROTATED_KEY = { major: 2, minor: 7 }

/** Whether this client wants the new key when it rotates a secret. Whoever is no SDK gets what the contract says: nothing. */
export function readsRotatedKey(userAgent: string | undefined): boolean {
  const [, major, minor] = SDK.exec(userAgent ?? '') ?? []
  if (major === undefined) return false
  const since = READS_ROTATED_KEY
  return Number(major) > since.major || (Number(major) === since.major && Number(minor) >= since.minor)
}
