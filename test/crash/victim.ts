/** A gateway that is killed again and again while events are posted to it. */
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { type Client, eventually, Program } from '../acceptance/gateway.ts'
import { cloudEvent, type Event, type Notified, plainEvent, post } from '../acceptance/notification-gateway.ts'

/** Half of them plain, half CloudEvents whose ids are unique with their source only. */
export const eventsOf = (count: number, random: () => number): Event[] =>
  Array.from({ length: count }, (_, n) =>
    random() < 0.5
      ? plainEvent({ n })
      : cloudEvent({ id: `ce_${n % 400}`, source: `/source/${Math.floor(n / 400)}`, n }),
  )

/** What makes an event the same one. */
export const nameOf = (event: Record<string, unknown>) => JSON.stringify([event['source'] ?? null, event['id']])

/** The gateway in its lives, one after the other. */
export class Victim implements AsyncDisposable {
  client: Client | null = null
  #program: Program | null = null
  #isOver = false
  readonly #directory: string
  readonly #random: () => number
  readonly #settings: () => NodeJS.ProcessEnv

  constructor(directory: string, random: () => number, settings: () => NodeJS.ProcessEnv) {
    this.#directory = directory
    this.#random = random
    this.#settings = settings
  }

  async live(): Promise<void> {
    if (this.#isOver) throw new Error('the test is over')
    this.#program = new Program(this.#directory, this.#settings())
    this.client = await this.#program.client()
  }

  /** Its exit code, which is null: a signal ends it, at a random moment. */
  async liveAndDie(): Promise<number | null> {
    await this.live()
    return this.kill()
  }

  /** Lets it live for another while. */
  async kill(): Promise<number | null> {
    await sleep(500 + this.#random() * 2_500)
    this.#program?.signal('SIGKILL')
    return this.#program!.exited()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true
    await this.#program?.[Symbol.asyncDispose]()
  }
}

/** Posts a batch until it is accepted; the answer. */
async function accepted(victim: Victim, batch: Event[]): Promise<Notified> {
  const answer = await eventually(async () => {
    const given = victim.client && (await post(victim.client, batch).catch(() => null))
    return given?.status === 202 ? given : null
  })
  return answer.json<Notified>()
}

/** Posts all events in batches of up to sixty, some with one more that came before. Returns the message of each event. */
export async function postAll(victim: Victim, events: Event[], random: () => number): Promise<Map<string, string>> {
  const messageIds = new Map<string, string>()
  for (let at = 0; at < events.length;) {
    const batch = events.slice(at, at + 1 + Math.floor(random() * 60))
    at += batch.length
    if (random() < 0.5) batch.push(events[Math.floor(random() * at)]!)
    const { messages } = await accepted(victim, batch)
    for (const [i, { id }] of messages.entries()) {
      const name = nameOf(batch[i]!)
      expect(messageIds.get(name) ?? id).toBe(id)
      messageIds.set(name, id)
    }
    await sleep(random() * 400)
  }
  return messageIds
}

export function statesOf({ databasePath }: Client): Record<string, number> {
  using database = new DatabaseSync(databasePath, { readOnly: true })
  const rows = database.prepare('SELECT state, count(*) AS n FROM delivery GROUP BY state').all()
  return Object.fromEntries(rows.map((row) => [String(row['state']), Number(row['n'])]))
}
