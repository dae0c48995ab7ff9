import { existsSync, rmSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type Client, Program, soon, temporaryDirectory } from './gateway.ts'

const EVENT = { json: { n: 1 }, headers: { 'x-event-type': 'user.created' } }

/** Posts events one after the other until the gateway is gone; notes when each that was answered 202 was sent. */
async function post(client: Client, acceptedAt: number[]): Promise<void> {
  for (;;) {
    const sentAt = performance.now()
    try {
      if ((await client.send('/ingest', EVENT)).status === 202) acceptedAt.push(sentAt)
    } catch {
      return
    }
  }
}

test('once its file is deleted in a storm, the gateway answers nothing 202 and ends with a word of why', async () => {
  using directory = temporaryDirectory()
  await using program = new Program(directory.path)
  const client = await program.client()
  const acceptedAt: number[] = []
  const storm = Array.from({ length: 16 }, () => post(client, acceptedAt))
  await soon(() => acceptedAt.length).toBeGreaterThan(100)
  for (const suffix of ['', '-wal', '-shm']) rmSync(client.databasePath + suffix)
  const deletedAt = performance.now()
  expect(await program.exited()).toBe(1)
  await Promise.all(storm)
  expect(acceptedAt.filter((at) => at > deletedAt)).toEqual([])
  expect(program.log.filter((line) => line['level'] === 'FATAL')).toEqual([
    expect.objectContaining({ error: expect.stringMatching(/hookferry\.db was deleted or moved away/) }),
  ])
  // It leaves nothing behind that a new process would take for the old data.
  expect(existsSync(client.databasePath)).toBe(false)
})

test('an idle gateway whose lock is deleted ends by itself, and leaves the file to a second one that was started', async () => {
  using directory = temporaryDirectory()
  await using program = new Program(directory.path)
  const client = await program.client()
  const { id } = (await client.send('/ingest', EVENT)).json<{ id: string }>()
  rmSync(`${client.databasePath}.lock`)
  await using second = new Program(directory.path)
  const other = await second.client()
  expect(await program.exited()).toBe(1)
  expect(await other.message(id)).toMatchObject({ id })
  expect((await other.send('/ingest', EVENT)).status).toBe(202)
})
