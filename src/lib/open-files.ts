import { readFileSync } from 'node:fs'

/** Beside what goes in and out: the store's files and connections, the log, the libraries. */
const FILES_OF_ITS_OWN = 128

/**
 * How many connections may be open at once where the process may open `files`: so many that the attempts under way and the store
 * still find theirs, but at least a quarter of them.
 */
export function connectionsWithin(wanted: number, files: number, attemptsMax: number): number {
  const room = Math.max(files - attemptsMax - FILES_OF_ITS_OWN, Math.floor(files / 4), 1)
  return Math.min(wanted, room)
}

/** How many files this process may open (`ulimit -n`; Node.js raises the soft limit to the hard one). Infinity where nobody says. */
export function openFilesMax(): number {
  try {
    const [, soft] = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return soft === undefined || soft === 'unlimited' ? Infinity : Number(soft)
  } catch {
    // Not Linux. The report has it, too, and takes longer.
    const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { soft: number | string } } }
    const soft = Number(userLimits?.open_files?.soft)
    return Number.isFinite(soft) ? soft : Infinity
  }
}
