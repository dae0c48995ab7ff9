// A storm of events, and what became of each, for attacks that take something away below the gateway.

import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'

const REFUSED_PAUSE_MS = 20

export interface Storm {
  /** Of each event that was answered 202: its id, and when it was sent (`performance.now`). */
  readonly accepted: { id: string; sentAt: number }[]
  readonly refused: { status: number; sentAt: number }[]
  /** Ends it, and waits for what is under way. */
  stop(): Promise<void>
}

/** Posts events of `bytes` on `connections` until it is stopped or the gateway is gone. */
export function storm(url: string, connections: number, bytes = 100): Storm {
  const accepted: Storm['accepted'] = []
  const refused: Storm['refused'] = []
  const body = JSON.stringify({ text: 'x'.repeat(bytes) })
  const headers = { 'x-event-type': 'storm', 'content-type': 'application/json' }
  const over = new AbortController()
  const post = async () => {
    while (!over.signal.aborted) {
      const sentAt = performance.now()
      try {
        const answer = await fetch(`${url}/ingest`, { method: 'POST', headers, body })
        const text = await answer.text()
        if (answer.status === 202) accepted.push({ id: (JSON.parse(text) as { id: string }).id, sentAt })
        else {
          refused.push({ status: answer.status, sentAt })
          await sleep(REFUSED_PAUSE_MS)
        }
      } catch {
        // It is gone, or cut the connection while it ended.
        await sleep(REFUSED_PAUSE_MS)
      }
    }
  }
  const posting = Promise.all(Array.from({ length: connections }, post))
  return {
    accepted,
    refused,
    async stop() {
      over.abort()
      await posting
    },
  }
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** How many of the events are not in the file. */
export function missingFrom(file: string, { accepted }: Storm): number {
  using db = new DatabaseSync(file, { readOnly: true })
  const stored = new Set(
    db
      .prepare('SELECT id FROM msg')
      .all()
      .map((row) => row['id']),
  )
  return accepted.filter(({ id }) => !stored.has(id)).length
}
