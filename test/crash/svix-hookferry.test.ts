/**
 * Two gateways, one behind the other: the first hands its notifications on through the Svix SDK, the second is the Svix
 * server. Both are killed, and every event still becomes exactly one message.
 */
import { randomInt } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, expect, onTestFailed, test } from 'vitest'
import { randomNumbers } from '../acceptance/fake-svix.ts'
import { type Client, temporaryDirectory } from '../acceptance/gateway.ts'
import type { Event } from '../acceptance/notification-gateway.ts'
import { startReceiver } from '../acceptance/receiver.ts'
import { Caller, JWT_SECRET, orgToken } from '../svix/sdk-gateway.ts'
import { eventsOf, nameOf, postAll, statesOf, Victim } from './victim.ts'

const receiver = await startReceiver()
afterAll(() => receiver[Symbol.asyncDispose]())

const EVENTS = 1_000
const KILLS = { front: 3, back: 4 }
const APP = 'customer-1'
const SEED = Number(process.env['SVIX_SEED'] ?? randomInt(2 ** 32 - 1))

/** The events that the application was sent, as the server keeps them. */
function storedEvents({ databasePath }: Client): Event[] {
  using database = new DatabaseSync(databasePath, { readOnly: true })
  const rows = database.prepare(
    `SELECT CAST(payload AS TEXT) AS payload FROM msg WHERE app_id = (SELECT id FROM application WHERE uid = '${APP}')`,
  )
  return rows.all().map((row) => JSON.parse(String(row['payload'])) as Event)
}

test(
  'each of 1000 events becomes one message of the second gateway, through kills of both',
  { timeout: 240_000 },
  async () => {
    onTestFailed(() => void process.stderr.write(`SVIX_SEED=${SEED}\n`))
    const random = randomNumbers(SEED)
    const events = eventsOf(EVENTS, random)
    const hook = receiver.hook()
    using frontDirectory = temporaryDirectory()
    using backDirectory = temporaryDirectory()
    const token = orgToken('org_notified')

    // It comes back where it was: the other one knows its address from the configuration.
    let port = '0'
    await using back = new Victim(backDirectory.path, random, () => ({ JWT_SECRET, PORT: port }))
    await back.live()
    const url = back.client!.url
    port = new URL(url).port
    const { svix } = new Caller(back.client!, token)
    await svix.application.create({ name: 'Customer', uid: APP })
    await svix.endpoint.create(APP, { url: hook.url })
    const waits = Array.from({ length: 100 }, () => `${50 + Math.floor(random() * 250)}ms`).join(',')
    await using front = new Victim(frontDirectory.path, random, () => ({
      SVIX_TOKEN: token,
      SVIX_SERVER_URL: url,
      SVIX_APP_ID: APP,
      SVIX_RETRY_SCHEDULE: waits,
      DELIVERY_TIMEOUT: '500ms',
    }))

    const killed = async (victim: Victim, times: number) => {
      for (let kills = 0; kills < times; kills++) expect(await victim.liveAndDie()).toBeNull()
      await victim.live()
    }
    const backIsKilled = async () => {
      expect(await back.kill()).toBeNull()
      await killed(back, KILLS.back - 1)
    }
    const [messageIds] = await Promise.all([postAll(front, events, random), killed(front, KILLS.front), backIsKilled()])

    const delivered = (victim: Victim) => () => statesOf(victim.client!)
    await expect.poll(delivered(front), { interval: 50, timeout: 120_000 }).toEqual({ delivered: EVENTS })
    await expect.poll(delivered(back), { interval: 50, timeout: 60_000 }).toEqual({ delivered: EVENTS })

    expect(new Set(messageIds.values()).size).toBe(EVENTS)
    const stored = storedEvents(back.client!)
    expect(stored).toHaveLength(EVENTS)
    const byName = new Map(stored.map((event) => [nameOf(event), event]))
    for (const event of events) expect(byName.get(nameOf(event))).toEqual(JSON.parse(JSON.stringify(event)))
    const received = new Set(hook.received.map(({ headers }) => headers['webhook-id']))
    expect(received.size).toBe(EVENTS)
  },
)
