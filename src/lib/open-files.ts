import { readFileSync } from 'node:fs'

/** Files that are needed beside connections in and out: the store's files and connections, the log, the libraries. */
const FILES_OF_ITS_OWN = 128

/**
 * The number of connections that may be open when the process may open `files`. It leaves enough for the attempts under
 * way and the store, but is at least a quarter of `files`.
 */
export function connectionsWithin(wanted: number, files: number, attemptsMax: number): number {
  const room = Math.max(files - attemptsMax - FILES_OF_ITS_OWN, Math.floor(files / 4), 1)
  return Math.min(wanted, room)
}

/**
 * Number of files that this process may open (`ulimit -n`; Node.js raises the soft limit to the hard one). Infinity
 * when the system does not say.
 */
export function openFilesMax(): number {
  try {
    const [, soft] = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return soft === undefined || soft === 'unlimited' ? Infinity : Number(soft)
  } catch {
    // Not Linux. The process report has the number, too, but takes longer.
    const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { soft: number | string } } }
    const soft = Number(userLimits?.open_files?.soft)
    return Number.isFinite(soft) ? soft : Infinity
  }
}
