// Do reads of the inbox stay as fast when it grows? The same questions to a small inbox and to one a thousand times as large.

import { get } from '../api.ts'
import { senderOf } from '../fill-inbox.ts'
import { openInbox } from '../inbox-session.ts'
import type { Gateway } from '../processes.ts'
import { heading, line, median, ms, target } from '../report.ts'
import type { Settings } from '../session.ts'

const SMALL = 10_000
const TIMES_LARGER = 10
const ROUNDS = 101
const RATIO_MAX = 3

const QUESTIONS: Readonly<Record<string, string>> = {
  '/stats': '/stats',
  'a page of one sender': `/messages?limit=50&from=${encodeURIComponent(senderOf(7))}`,
  'the first page of all': '/messages?limit=50',
  'a page since a time': '/messages?limit=50&since=2025-06-01T00:00:30Z',
}

export async function inboxReads(settings: Settings): Promise<boolean> {
  const large = settings.rows * TIMES_LARGER
  heading(
    `inbox-reads: ${SMALL.toLocaleString('en')} messages against ${large.toLocaleString('en')}, median of ${ROUNDS}`,
  )
  const inSmall = await ask(settings, 'small.db', SMALL)
  const inLarge = await ask(settings, 'large.db', large)
  for (const name of Object.keys(QUESTIONS)) {
    const [few, many] = [inSmall[name] ?? NaN, inLarge[name] ?? NaN]
    const ratio = many / few
    line(name, `${ms(few)} → ${ms(many)}   ×${ratio.toFixed(2)}   ${target(ratio <= RATIO_MAX, `≤ ${RATIO_MAX}`)}`)
  }
  return true
}

async function ask(settings: Settings, databaseName: string, rows: number): Promise<Record<string, number>> {
  await using gateway = await openInbox(settings, databaseName, rows)
  const answers: Record<string, number> = {}
  for (const [name, path] of Object.entries(QUESTIONS)) answers[name] = await medianOf(gateway, path)
  return answers
}

async function medianOf(gateway: Gateway, path: string): Promise<number> {
  const took: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const startedMs = performance.now()
    await get(gateway, path)
    took.push(performance.now() - startedMs)
  }
  return median(took)
}
