import type { Transform } from 'node:stream'
import { build } from 'pino-pretty'

/** Takes the gateway's log lines, and writes them for people to standard output: one line each, in colours. Other text passes. */
export const readable = (): Transform =>
  build({ colorize: true, singleLine: true, timestampKey: 'ts', translateTime: 'SYS:HH:MM:ss.l', sync: true })
