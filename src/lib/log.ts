import { destination, pino, type DestinationStream, type Logger } from 'pino'

export type { Logger } from 'pino'

/** Level names of other log systems, with pino's names for them. */
const LEVELS: Readonly<Record<string, string>> = { warning: 'warn', critical: 'fatal' }

/**
 * Bytes that may wait for a slow standard output. Lines beyond that are dropped, because the gateway must not stand
 * still.
 */
const BUFFER_BYTES_MAX = 16 * 1_048_576

/** Gathered lines are written when they reach this many characters. */
const GATHERED_CHARS_MAX = 65_536

/**
 * Gathers the lines of one turn of the event loop and writes them together: on a busy gateway, a write for each line
 * costs more than making the line. `flush` hands on the gathered lines.
 */
export function gatherLines(output: DestinationStream): DestinationStream & { flush: () => void } {
  let lines = ''
  const flush = () => {
    const gathered = lines
    lines = ''
    if (gathered !== '') output.write(gathered)
  }
  return {
    flush,
    write(line) {
      if (lines === '') setImmediate(flush)
      lines += line
      if (lines.length > GATHERED_CHARS_MAX) flush()
    },
  }
}

/** The time in the form of logs, made once in a millisecond. */
function timestamps(): () => string {
  let last = -1
  let text = ''
  return () => {
    const now = Date.now()
    if (now !== last) {
      last = now
      text = `,"ts":"${new Date(now).toISOString()}"`
    }
    return text
  }
}

/**
 * JSON lines on standard output, `ts` and `level` first. Lines are written as fast as the output takes them, without
 * the event loop waiting for it. `flush` writes what is left, before the process ends.
 */
export function createLog(level: string, stream?: DestinationStream): { log: Logger; flush: () => void } {
  const name = level.toLowerCase()
  const { output, flush } = stream === undefined ? standardOutput() : { output: stream, flush: () => {} }
  const log = pino(
    {
      level: LEVELS[name] ?? name,
      base: null,
      timestamp: timestamps(),
      formatters: { level: (label) => ({ level: label.toUpperCase() }) },
    },
    output,
  )
  return { log, flush }
}

function standardOutput(): { output: DestinationStream; flush: () => void } {
  const sink = destination({ dest: 1, sync: false, maxLength: BUFFER_BYTES_MAX })
  const output = gatherLines(sink)
  // Runs before the sink's own listener, which writes what it has: an uncaught error ends the process within a turn.
  process.prependListener('exit', output.flush)
  return {
    output,
    flush: () => {
      output.flush()
      sink.flushSync()
    },
  }
}
