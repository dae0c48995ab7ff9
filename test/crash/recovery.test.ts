import { DatabaseSync } from 'node:sqlite'
import { afterAll, expect, test } from 'vitest'
import { type Client, Program, soon, temporaryDirectory } from '../acceptance/gateway.ts'
import { startReceiver } from '../acceptance/receiver.ts'
import { Caller, JWT_SECRET, orgToken } from '../svix/sdk-gateway.ts'

const receiver = await startReceiver()
afterAll(() => receiver[Symbol.asyncDispose]())

const MESSAGES = 3_000
const SETTINGS = { JWT_SECRET, RETRY_SCHEDULE: '' }

interface Task {
  status: string
  added: number
}

function read<T>({ databasePath }: Client, sql: string): T[] {
  using database = new DatabaseSync(databasePath, { readOnly: true })
  return database.prepare(sql).all() as T[]
}

/** Sends all messages, 64 at a time. */
async function sendAll(caller: Caller, app: string): Promise<void> {
  let left = MESSAGES
  const sender = async () => {
    while (left-- > 0) await caller.ask(`/app/${app}/msg`, { json: { eventType: 'a', payload: {} } })
  }
  await Promise.all(Array.from({ length: 64 }, sender))
}

test('a recovery goes on after every kill -9, and tries each message once', async () => {
  using directory = temporaryDirectory()
  let victim: Program | null = null
  const kills = [1, 700]
  let isWell = false
  let recovered = 0
  const hook = receiver.hook((response) => {
    if (isWell && ++recovered === kills[0]) {
      kills.shift()
      victim?.signal('SIGKILL')
    }
    response.writeHead(isWell ? 200 : 500).end()
  })
  const live = async () => {
    victim = new Program(directory.path, SETTINGS)
    const client = await victim.client()
    return { client, caller: new Caller(client, orgToken('org_recovery')) }
  }
  const die = async (client: Client) => {
    expect(await victim?.exited()).toBeNull()
    client.agent.destroy()
    const [task] = read<Task>(client, 'SELECT status, added FROM task')
    return task!
  }
  await using atTheEnd = new AsyncDisposableStack()
  atTheEnd.defer(async () => victim?.[Symbol.asyncDispose]())

  const first = await live()
  const { id: app } = await first.caller.svix.application.create({ name: 'Customer' })
  const { id: endpoint } = await first.caller.svix.endpoint.create(app, { url: hook.url })
  await sendAll(first.caller, app)
  await soon(() => first.caller.svix.endpoint.getStats(app, endpoint)).toMatchObject({ fail: MESSAGES })

  isWell = true
  await first.caller.svix.endpoint.recover(app, endpoint, { since: new Date(Date.now() - 3_600_000) })
  const interrupted = await die(first.client)
  expect(interrupted).toMatchObject({ status: 'running' })
  expect(interrupted.added).toBeGreaterThan(0)
  expect(interrupted.added).toBeLessThan(MESSAGES)

  await die((await live()).client)
  const { client, caller } = await live()
  await soon(() => caller.svix.endpoint.getStats(app, endpoint)).toMatchObject({ success: MESSAGES, fail: 0 })
  const { data } = await caller.svix.backgroundTask.list()
  expect(data).toMatchObject([{ status: 'finished', task: 'endpoint.recover', data: { messages: MESSAGES } }])
  await soon(() => read(client, 'SELECT 1 FROM delivery WHERE run > 0')).toEqual([])
  const attempts = 'SELECT sum(manual) AS manual, count(*) AS n FROM attempt GROUP BY app_id, msg_id'
  expect(read(client, `SELECT manual, n, count(*) AS messages FROM (${attempts}) GROUP BY 1, 2`)).toEqual([
    { manual: 1, n: 2, messages: MESSAGES },
  ])
  // What was on its way when the process was killed, or had arrived and was about to be recorded, may have come twice.
  expect(hook.received.length - 2 * MESSAGES).toBeLessThanOrEqual(2 * 512)
  client.agent.destroy()
})
