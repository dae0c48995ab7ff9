import { describe, expect, test } from 'vitest'
import { type Client, Program, send, soon, temporaryDirectory } from './gateway.ts'

const EVENT = { json: { n: 1 }, headers: { 'x-event-type': 'user.created' } }

const isReady = async (client: Client) => (await send(`${client.url}/health/ready`)).status === 200

/** Started with a delay, and told to stop by `signal`. */
async function stopping(directory: string, environment: NodeJS.ProcessEnv, signal: NodeJS.Signals) {
  const program = new Program(directory, environment)
  const client = await program.client()
  expect((await client.send('/ingest', EVENT)).headers.connection).toBe('keep-alive')
  expect(await isReady(client)).toBe(true)
  program.signal(signal)
  await soon(() => program.log.some((line) => line['msg'] === 'stopping')).toBe(true)
  return { program, client, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() }
}

describe('with a SHUTDOWN_DELAY', () => {
  test('SIGTERM turns readiness red and goes on serving; a second one ends the wait', async () => {
    using directory = temporaryDirectory()
    await using own = await stopping(directory.path, { SHUTDOWN_DELAY: '10m' }, 'SIGTERM')
    const { program, client } = own
    for (let i = 0; i < 3; i++) {
      const answer = await client.send('/ingest', EVENT)
      expect([answer.status, answer.headers.connection]).toEqual([202, 'close'])
    }
    const ready = await client.send('/health/ready')
    expect([ready.status, ready.text]).toEqual([503, expect.stringContaining('the gateway is shutting down')])
    expect((await client.send('/health/live')).status).toBe(200)
    program.signal('SIGTERM')
    expect(await program.exited()).toBe(0)
    expect(program.log.at(-1)).toMatchObject({ msg: 'stopped' })
  })

  test('SIGTERM closes by itself once the time is over', async () => {
    using directory = temporaryDirectory()
    await using own = await stopping(directory.path, { SHUTDOWN_DELAY: '300ms' }, 'SIGTERM')
    expect(await own.program.exited()).toBe(0)
  })

  test('SIGINT does not wait', async () => {
    using directory = temporaryDirectory()
    await using own = await stopping(directory.path, { SHUTDOWN_DELAY: '10m' }, 'SIGINT')
    expect(await own.program.exited()).toBe(0)
  })
})
