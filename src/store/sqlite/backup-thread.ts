/**
 * The thread of one backup. SQLite does not return until the copy is done, and the process has to hear signals
 * meanwhile.
 */
import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { UnusableDatabase } from '../shared/unusable-database.ts'
import { checkFile, explain, isFull, pragma } from './database.ts'

export interface BackupThreadOptions {
  path: string
  /** An empty file, which becomes the copy. */
  draft: string
  /** Bytes that may be written to the draft's directory. */
  freeBytes: number
}

/** `keyIds` are the ids of the keys that encrypt the secrets of the copy. */
export type BackupFromThread = { keyIds: string[] } | { failed: string }

const { path, draft, freeBytes } = workerData as BackupThreadOptions

try {
  copy()
  parentPort!.postMessage({ keyIds: check() } satisfies BackupFromThread)
} catch (error) {
  parentPort!.postMessage({ failed: explain(error, isFull(error) ? draft : path).message } satisfies BackupFromThread)
}

function copy(): void {
  using source = new DatabaseSync(path, { readOnly: true, timeout: 30_000 })
  checkFile(source, path)
  const pages = Number(pragma(source, 'page_count')) - Number(pragma(source, 'freelist_count'))
  const bytes = pages * Number(pragma(source, 'page_size'))
  if (bytes > freeBytes)
    throw new UnusableDatabase(
      `the copy takes up to ${bytes} bytes, and there is room for ${freeBytes}: free some space`,
    )
  source.prepare('VACUUM INTO ?').run(draft)
}

/** Checks the copy: without a check, it is not known whether it can be used. */
function check(): string[] {
  using copied = new DatabaseSync(draft, { readOnly: true })
  const found = copied.prepare('PRAGMA integrity_check(1)').get()
  const verdict = String(found?.['integrity_check'])
  if (verdict !== 'ok') throw new UnusableDatabase(`${path} is damaged, and so is a copy of it: ${verdict}`)
  const hasKeys = copied.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'encryption_key'").get() !== undefined
  if (!hasKeys) return []
  return copied
    .prepare('SELECT id FROM encryption_key ORDER BY id')
    .all()
    .map(({ id }) => String(id))
}
