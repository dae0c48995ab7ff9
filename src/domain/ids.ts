/**
 * Ids are a prefix, `_`, and a KSUID with 4 ms resolution: a 160-bit number as 27 zero-padded base62 characters. Its
 * bytes are 4 of big-endian seconds since 1 400 000 000, 1 of `(ms % 1000) >> 2`, and 15 random ones (the layout of
 * svix-ksuid's KsuidMs). The alphabet is in ASCII order, so comparing two ids as text or bytes compares their times.
 * Ids therefore also serve as cursors, and new rows go to the right-hand edge of every index. Never compare them with a
 * locale-aware collation.
 */

export type Id<K extends string> = `${K}_${string}`
export type OrgId = Id<'org'>
export type AppId = Id<'app'>
export type EndpointId = Id<'ep'>
export type MessageId = Id<'msg'>
export type AttemptId = Id<'atmpt'>
export type EventTypeId = Id<'evtype'>
export type TaskId = Id<'qtask'>
export type SourceId = Id<'src'>

export interface Ids {
  /**
   * A new id, greater than every id that this generator made before from the clock. Within 4 ms, or when the clock goes
   * back, the id is the previous number plus one. `at` (ms since 1970) replaces the clock and is always the id's time.
   * An `at` earlier than the last id's bucket gets fresh random bytes and leaves the sequence alone.
   */
  next<K extends string>(prefix: K, at?: number): Id<K>
}

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const LENGTH = 27
const RANDOM_BYTES = 15
const IDS_PER_DRAW = 64
/** Width of an id's time bucket, ms: ids made within one bucket say the same time. */
export const BUCKET_MS = 4
const BUCKETS_PER_SECOND = 250
const EPOCH_BUCKET = 1_400_000_000 * BUCKETS_PER_SECOND
const LAST_BUCKET = 2 ** 32 * BUCKETS_PER_SECOND - 1
const PAIRS = Array.from(ALPHABET).flatMap((first) => Array.from(ALPHABET, (second) => first + second))
const LIMB = 2 ** 32

/**
 * A generator of ids. `now` gives ms since 1970, `randomBytes(n)` gives n unpredictable bytes. Ids of different
 * prefixes share one sequence. Times outside of 2014-05-13 to 2150-06-19 are taken as the nearest that the format can
 * hold.
 */
export function createIds({ now, randomBytes }: { now: () => number; randomBytes: (n: number) => Uint8Array }): Ids {
  // The last number made, as two parts: all but its last digit, and that digit. Adding one seldom changes more than the
  // digit.
  let head = ''
  let digit = 0
  let bucketStart = -Infinity
  let bucketEnd = -Infinity
  // One call for a few random bytes costs more than everything else here, so random bytes are drawn in advance.
  let pool: Uint8Array = new Uint8Array(0)
  let used = 0

  function freshRandom(): Uint8Array {
    if (used === pool.length) {
      pool = randomBytes(RANDOM_BYTES * IDS_PER_DRAW)
      used = 0
    }
    used += RANDOM_BYTES
    return pool.slice(used - RANDOM_BYTES, used)
  }

  function startBucket(ms: number): void {
    const random = freshRandom()
    // With the top bit clear the sequence has 2¹¹⁹ numbers before it could carry into the time.
    random[0] = (random[0] ?? 0) & 0x7f
    const bucket = bucketOf(ms)
    const text = encode(bucket, random)
    head = text.slice(0, -1)
    digit = ALPHABET.indexOf(text.slice(-1))
    bucketStart = (bucket + EPOCH_BUCKET) * BUCKET_MS
    bucketEnd = bucketStart + BUCKET_MS
  }

  return {
    next(prefix, at) {
      if (at !== undefined && at < bucketStart) return `${prefix}_${encode(bucketOf(at), freshRandom())}`
      const ms = at ?? now()
      if (ms >= bucketEnd) {
        startBucket(ms)
      } else if (++digit === ALPHABET.length) {
        digit = 0
        head = successor(head)
      }
      return `${prefix}_${head}${ALPHABET.charAt(digit)}`
    },
  }
}

/** The smallest id of the 4 ms bucket that holds `ms`: no id of that time or later is smaller. */
export const startId = <K extends string>(prefix: K, ms: number): Id<K> =>
  `${prefix}_${encode(bucketOf(ms), new Uint8Array(RANDOM_BYTES))}`

/** The greatest id of the 4 ms bucket that holds `ms`: no id of that time or earlier is greater. */
export const endId = <K extends string>(prefix: K, ms: number): Id<K> =>
  `${prefix}_${encode(bucketOf(ms), new Uint8Array(RANDOM_BYTES).fill(0xff))}`

/**
 * The time when an id was made: the start of its 4 ms bucket, in ms since 1970. Throws a RangeError when the text is no
 * id.
 */
export function idTime(id: Id<string>): number {
  const limbs = decode(id.slice(-LENGTH))
  if (limbs === null) throw new RangeError('not an id')
  const [seconds = 0, next = 0] = limbs
  // This code never writes 250 to 255 into the fifth byte. A foreign id that does must not reach into the next second.
  const bucket = Math.min(next >>> 24, BUCKETS_PER_SECOND - 1)
  return (EPOCH_BUCKET + seconds * BUCKETS_PER_SECOND + bucket) * BUCKET_MS
}

/** True when `text` is a well-formed id with this prefix: 27 base62 characters whose number fits into 160 bits. */
export function isId<K extends string>(prefix: K, text: string): text is Id<K> {
  return text.startsWith(`${prefix}_`) && decode(text.slice(prefix.length + 1)) !== null
}

const bucketOf = (ms: number): number => Math.min(Math.max(Math.floor(ms / BUCKET_MS) - EPOCH_BUCKET, 0), LAST_BUCKET)

// Long division of ten 16-bit limbs, two digits at a time. Every step stays a small integer, which makes it fast.
function encode(bucket: number, random: Uint8Array): string {
  const seconds = Math.floor(bucket / BUCKETS_PER_SECOND)
  const limbs = Uint16Array.of(
    seconds >>> 16,
    seconds,
    ((bucket % BUCKETS_PER_SECOND) << 8) | (random[0] ?? 0),
    0,
    0,
    0,
    0,
    0,
    0,
    0,
  )
  for (let i = 1; i < RANDOM_BYTES; i += 2) limbs[(i + 5) / 2] = ((random[i] ?? 0) << 8) | (random[i + 1] ?? 0)
  let text = ''
  while (text.length < LENGTH) {
    let rest = 0
    for (let i = 0; i < limbs.length; i++) {
      const value = (rest << 16) | (limbs[i] ?? 0)
      const quotient = (value / PAIRS.length) | 0
      limbs[i] = quotient
      rest = value - quotient * PAIRS.length
    }
    text = (PAIRS[rest] ?? '') + text
  }
  // The number of digits is even, one more than needed.
  return text.slice(1)
}

/**
 * The number as five 32-bit limbs, the most significant first. Null when the text is not 27 base62 digits or the number
 * is too large.
 */
function decode(text: string): number[] | null {
  if (text.length !== LENGTH) return null
  const limbs = [0, 0, 0, 0, 0]
  for (const character of text) {
    let carry = ALPHABET.indexOf(character)
    if (carry < 0) return null
    for (let i = limbs.length - 1; i >= 0; i--) {
      const value = (limbs[i] ?? 0) * 62 + carry
      limbs[i] = value % LIMB
      carry = Math.floor(value / LIMB)
    }
    if (carry > 0) return null
  }
  return limbs
}

function successor(text: string): string {
  const rest = text.slice(0, -1)
  const digit = ALPHABET.indexOf(text.slice(-1)) + 1
  return digit < ALPHABET.length ? rest + ALPHABET.charAt(digit) : `${successor(rest)}0`
}
