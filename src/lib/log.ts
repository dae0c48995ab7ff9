import { destination, pino, type DestinationStream, type Logger } from 'pino'

export type { Logger } from 'pino'

/** Level names of other log systems, in pino's words. */
const LEVELS: Readonly<Record<string, string>> = { warning: 'warn', critical: 'fatal' }

/** What may wait for a slow standard output; beyond it lines are dropped, for the gateway must not stand still. */
const BUFFER_BYTES_MAX = 16 * 1_048_576

/**
 * JSON lines on standard output, `ts` and `level` first. Lines are written as fast as the output takes them, without the
 * event loop waiting for it. `flush` writes what is left, before the process ends.
 */
export function createLog(level: string, stream?: DestinationStream): { log: Logger; flush: () => void } {
  const name = level.toLowerCase()
  const output = stream ?? destination({ dest: 1, sync: false, maxLength: BUFFER_BYTES_MAX })
  const log = pino(
    {
      level: LEVELS[name] ?? name,
      base: null,
      timestamp: () => `,"ts":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label.toUpperCase() }) },
    },
    output,
  )
  return {
    log,
    flush: () => {
      if ('flushSync' in output) (output as ReturnType<typeof destination>).flushSync()
    },
  }
}
