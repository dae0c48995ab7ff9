/**
 * Inflates compressed bytes within three bounds. The size of the result is bounded: inflating stops there, so that a
 * small body cannot become a large one. The number of bodies inflated at the same time is bounded, and so is the number
 * that wait. Node's threads do the work, a piece at a time.
 */
import * as zlib from 'node:zlib'
import { Fifo } from './fifo.ts'

export type InflateProblem = 'too_large' | 'broken' | 'busy'

export class InflateError extends Error {
  override readonly name = 'InflateError'
  readonly problem: InflateProblem
  constructor(problem: InflateProblem, cause?: unknown) {
    super(cause instanceof Error ? cause.message : problem, { cause })
    this.problem = problem
  }
}

export interface InflateLimits {
  /** Most bytes that one step may produce. */
  bytesMax: number
  atOnceMax: number
  waitingMax: number
}

/**
 * RFC 9659: the memory that a receiver of the coding `zstd` must have. Without this bound a frame may ask for 128 MB.
 */
const ZSTD_WINDOW_LOG_MAX = 23

/** Bytes that go to a thread and back in one round: a quarter of the rounds that Node makes by default. */
const CHUNK_BYTES = 65_536

type Callback = (error: Error | null, result: Buffer) => void

export class Inflater {
  readonly #limits: InflateLimits
  readonly #waiting = new Fifo<() => void>()
  #underWay = 0

  constructor(limits: InflateLimits) {
    this.#limits = limits
  }

  /** Undoes the codings, the last one first. Throws an `InflateError`. */
  async inflate(bytes: Uint8Array, codings: readonly string[]): Promise<Uint8Array> {
    await this.#enter()
    try {
      let result = bytes
      for (const coding of codings.toReversed()) result = await this.#undo(result, coding)
      return result
    } finally {
      this.#underWay--
      this.#waiting.shift()?.()
    }
  }

  #enter(): Promise<void> | void {
    const { atOnceMax, waitingMax } = this.#limits
    if (this.#underWay < atOnceMax) return void this.#underWay++
    if (this.#waiting.length >= waitingMax) throw new InflateError('busy')
    return new Promise((resolve) =>
      this.#waiting.push(() => {
        this.#underWay++
        resolve()
      }),
    )
  }

  #undo(bytes: Uint8Array, coding: string): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      undo(coding, bytes, this.#limits.bytesMax, (error, result) => {
        if (error === null) resolve(result)
        else {
          const isTooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
          reject(new InflateError(isTooLarge ? 'too_large' : 'broken', error))
        }
      })
    })
  }
}

function undo(coding: string, bytes: Uint8Array, maxOutputLength: number, done: Callback): void {
  const bounds = { maxOutputLength, chunkSize: CHUNK_BYTES }
  switch (coding) {
    case 'gzip':
      return zlib.gunzip(bytes, bounds, done)
    case 'deflate':
      // The coding has a zlib header (RFC 9110, 8.4.1.2), but some clients leave it out.
      return isZlib(bytes) ? zlib.inflate(bytes, bounds, done) : zlib.inflateRaw(bytes, bounds, done)
    case 'br':
      return zlib.brotliDecompress(bytes, bounds, done)
    case 'zstd': {
      const params = { [zlib.constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX }
      return zlib.zstdDecompress(bytes, { ...bounds, params }, done)
    }
    default:
      return done(new Error(`${coding} is no coding that is known`), Buffer.alloc(0))
  }
}

/** RFC 1950, 2.2: the method is 8, and the first two bytes are a multiple of 31. */
const isZlib = ([first = 0, second = 0]: Uint8Array): boolean =>
  (first & 0x0f) === 8 && (first * 256 + second) % 31 === 0
