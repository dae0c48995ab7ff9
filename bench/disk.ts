// How fast the disk under the store is: a durable commit cannot be faster, and where the disk stalls, so does every gateway.

import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { latency, type Latency } from './report.ts'

/** About what a small commit appends to the write-ahead log. */
const WRITE_BYTES = 16_384
const PROBE_MS = 1000

/** Appends and syncs for a second; how long each sync took. */
export function probeDisk(folder: string): Latency {
  const path = join(folder, 'probe')
  const file = openSync(path, 'w')
  const bytes = Buffer.alloc(WRITE_BYTES, 1)
  const syncsMs: number[] = []
  try {
    for (const endMs = performance.now() + PROBE_MS; performance.now() < endMs;) {
      writeSync(file, bytes)
      const startedMs = performance.now()
      fdatasyncSync(file)
      syncsMs.push(performance.now() - startedMs)
    }
  } finally {
    closeSync(file)
    rmSync(path)
  }
  return latency(Float64Array.from(syncsMs))
}
