/** `hookferry backup` beside a gateway under load, and a gateway that starts from what it made. */
import { copyFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, expect, test } from 'vitest'
import { type Client, eventually, Program, soon, temporaryDirectory } from './gateway.ts'
import { type Hook, startReceiver } from './receiver.ts'

const receiver = await startReceiver()
afterAll(() => receiver[Symbol.asyncDispose]())

const SENDERS = 24
const BODY_CHARS = 20_000
/** Enough to copy for a while. */
const FIRST_EVENTS = 500
/** What is not delivered is tried for as long as the test takes. */
const RETRY_SCHEDULE = Array.from({ length: 99 }, () => '500ms').join(',')

const idsAt = (hook: Hook) => new Set(hook.received.map(({ headers }) => String(headers['webhook-id'])))

/** Posts without a pause until it is told to stop; the ids of what was answered 202, in that order. */
function startLoad(client: Client, subscription: { id: string }) {
  const accepted: string[] = []
  const over = new AbortController()
  const sender = async () => {
    while (!over.signal.aborted) accepted.push((await client.ingest(subscription, { text: 'x'.repeat(BODY_CHARS) })).id)
  }
  const senders = Promise.all(Array.from({ length: SENDERS }, sender))
  return {
    accepted,
    stop: () => {
      over.abort()
      return senders
    },
  }
}

test('a copy under load has all that was answered before it began, and a gateway that starts from it delivers that', async () => {
  using directory = temporaryDirectory()
  await using first = new Program(directory.path, { RETRY_SCHEDULE })
  const client = await first.client()
  let isWell = false
  const hook = receiver.hook((response) => void response.writeHead(isWell ? 200 : 500).end())
  const subscription = await client.subscribe({ target_url: hook.url, headers: { 'X-Token': 'kept in the copy' } })
  const load = startLoad(client, subscription)
  await eventually(() => load.accepted.length > FIRST_EVENTS)

  const answered = [...load.accepted]
  const target = join(directory.path, 'copy.db')
  await using backup = new Program(directory.path, {}, ['backup', target])
  expect(await backup.exited()).toBe(0)
  const meanwhile = load.accepted.length - answered.length
  await load.stop()
  expect(meanwhile).toBeGreaterThan(0)
  expect(backup.stdout).toEqual([`${target} ${statSync(target).size}`])
  expect(backup.stderr).toMatch(/copied \d+\.\d MB in \d+\.\d s/)
  expect(backup.stderr).toContain(`in ${join(directory.path, 'hookferry.db.key')}`)
  {
    using copy = new DatabaseSync(target, { readOnly: true })
    expect(copy.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }])
    const stored = new Set(
      copy
        .prepare('SELECT id FROM msg')
        .all()
        .map(({ id }) => id),
    )
    expect(answered.filter((id) => !stored.has(id))).toEqual([])
  }
  client.agent.destroy()
  first.signal('SIGKILL')
  await first.exited()

  isWell = true
  hook.received.length = 0
  copyFileSync(join(directory.path, 'hookferry.db.key'), `${target}.key`)
  await using second = new Program(directory.path, { RETRY_SCHEDULE, DATABASE_URL: `sqlite:${target}` })
  const restored = await second.client()
  await soon(() => answered.filter((id) => !idsAt(hook).has(id)).length).toBe(0)
  const { id } = await restored.ingest(subscription)
  await restored.messageWhen(id, 'delivered')
  expect(hook.received.at(-1)!.headers['x-token']).toBe('kept in the copy')
  restored.agent.destroy()
}, 60_000)

test('PostgreSQL is left to its own tools', async () => {
  using directory = temporaryDirectory()
  await using program = new Program(directory.path, { DATABASE_URL: 'postgres://a:b@127.0.0.1:1/c' }, [
    'backup',
    'x.db',
  ])
  expect(await program.exited()).toBe(1)
  expect(program.stdout).toEqual([])
  expect(program.stderr).toMatch(/^hookferry: DATABASE_URL names a PostgreSQL.*pg_dump/)
})
