import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { buildConnector } from 'undici'
import { expect, test } from 'vitest'
import { openAgents } from '../../src/destinations/agents.ts'
import { endsInTurns } from '../../src/destinations/ends-in-turns.ts'
import { exchange } from '../../src/destinations/exchange.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { answering } from './http-servers.ts'

test('nothing is kept of receivers that are not there, nor of those whose connections are over', async () => {
  await using closing = await answering(200, { connection: 'close' })
  await using keeping = await answering(200)
  await using agents = openAgents({
    // All names are this machine.
    connect: buildConnector({ lookup: (_, __, done) => done(null, [{ address: '127.0.0.1', family: 4 }]) }),
    bounds: { bytesMax: 10_000, linesMax: 100 },
    clock: systemClock,
  })
  const attempt = (origin: string) =>
    exchange({
      agents,
      clock: systemClock,
      url: new URL(origin),
      timeoutMs: 5_000,
      request: { origin, path: '/', method: 'POST', body: 'x' },
      inTurns: endsInTurns(),
    })
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')

  const names = Array.from({ length: 200 }, (_, i) => `http://hooks-${i}.example`)
  const refused = await Promise.all(names.map((name) => attempt(`${name}:${port}`)))
  const accepted = await Promise.all(names.map((name) => attempt(`${name}:${closing.port}`)))
  expect(new Set(refused.map(({ kind }) => kind))).toEqual(new Set(['unreachable']))
  expect(new Set(accepted.map(({ kind }) => kind))).toEqual(new Set(['accepted']))
  await expect.poll(() => Object.keys(agents.kept.stats)).toEqual([])

  await attempt(keeping.origin)
  expect(Object.keys(agents.kept.stats)).toEqual([keeping.origin])
  await keeping[Symbol.asyncDispose]()
  await expect.poll(() => Object.keys(agents.kept.stats)).toEqual([])
})
