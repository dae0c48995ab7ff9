import { existsSync } from 'node:fs'
import { openReader } from './database.ts'

/** A secret of the installation, read beside a gateway that may be running; null when there is none yet. */
export function readSecret(path: string, name: string): string | null {
  if (!existsSync(path)) return null
  const db = openReader(path)
  try {
    return db.get<{ value: string }>('SELECT value FROM meta WHERE name = ?', name)?.value ?? null
  } finally {
    db.close()
  }
}
