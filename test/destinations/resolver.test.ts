import { DESTINATION_LIMITS } from '../../src/destinations/limits.ts'
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createNameResolver, type NameResolver } from '../../src/destinations/resolver.ts'
import { createFakeClock, type FakeClock } from '../fake-clock.ts'
import { type Answer, type Answering, type NameServer, startNameServer } from './name-server.ts'

const NOT_FOUND: Answer = { code: 3 }

let stack: AsyncDisposableStack
let folder: string
let clock: FakeClock
beforeEach(() => {
  stack = new AsyncDisposableStack()
  clock = createFakeClock()
  folder = mkdtempSync(join(tmpdir(), 'hookferry-names-'))
  stack.defer(() => rmSync(folder, { recursive: true }))
})
afterEach(() => stack.disposeAsync())

const write = (name: 'hosts' | 'resolv.conf', text: string) => writeFileSync(join(folder, name), text)

interface Given {
  max?: number
  hosts?: string
  resolvConf?: string
}

async function resolverAt(answering: Answering, { max, hosts = '', resolvConf = 'search\n' }: Given = {}) {
  const server = stack.use(await startNameServer(answering))
  write('hosts', hosts)
  write('resolv.conf', resolvConf)
  const resolver = stack.use(
    createNameResolver({
      clock,
      servers: [server.address],
      files: { hosts: join(folder, 'hosts'), resolvConf: join(folder, 'resolv.conf') },
      ...(max !== undefined && { max }),
    }),
  )
  return { server, resolver }
}

/** What comes of a lookup; a failure by its reason. */
const resultOf = (lookup: ReturnType<NameResolver['lookup']>) =>
  lookup.then(
    (addresses) => addresses.map(({ address }) => address),
    (error: { reason?: string }) => error.reason ?? error,
  )

const reached = async (server: NameServer, question: string) =>
  await expect.poll(() => server.questions.filter((one) => one === question).length).toBeGreaterThan(0)

describe('a name', () => {
  test('is found with the addresses of both families', async () => {
    const { resolver, server } = await resolverAt(() => ({ addresses: ['192.0.2.1', '192.0.2.2', '2001:db8::1'] }))
    const addresses = await resolver.lookup('Receiver.Example')
    expect(addresses.toSorted((a, b) => (a.address < b.address ? -1 : 1))).toEqual([
      { address: '192.0.2.1', family: 4 },
      { address: '192.0.2.2', family: 4 },
      { address: '2001:db8::1', family: 6 },
    ])
    expect(server.questions.toSorted()).toEqual(['receiver.example A', 'receiver.example AAAA'])
    expect(clock.timers).toBe(0)
  })

  test('with an address of one family only is found', async () => {
    const { resolver } = await resolverAt(() => ({ addresses: ['2001:db8::1'] }))
    expect(await resultOf(resolver.lookup('receiver.example'))).toEqual(['2001:db8::1'])
  })

  test('whose answer does not fit into a packet is asked for over TCP', async () => {
    const { resolver, server } = await resolverAt((_, overTcp) =>
      overTcp ? { addresses: ['192.0.2.1'] } : { isTruncated: true },
    )
    expect(await resultOf(resolver.lookup('receiver.example'))).toEqual(['192.0.2.1'])
    expect(server.questions).toContain('receiver.example A tcp')
  })

  test('with more addresses than anybody would try has its first ones', async () => {
    const addresses = Array.from({ length: 200 }, (_, i) => `192.0.2.${i}`)
    const { resolver } = await resolverAt((_, overTcp) => (overTcp ? { addresses } : { isTruncated: true }))
    expect(await resolver.lookup('receiver.example')).toHaveLength(DESTINATION_LIMITS.addressesPerName)
  })

  test.each<[string, Answer, string]>([
    ['that is not there', NOT_FOUND, 'not_found'],
    ['without addresses', {}, 'not_found'],
    ['whose server has a fault', { code: 2 }, 'server_failure'],
    ['that the server refuses', { code: 5 }, 'server_failure'],
  ])('%s fails as such', async (_, answer, reason) => {
    const { resolver } = await resolverAt(() => answer)
    expect(await resultOf(resolver.lookup('receiver.example'))).toBe(reason)
    expect(resolver.counts).toMatchObject({ underWay: 0, ended: { found: 0, [reason]: 1 } })
  })

  test.each(['a..example', `${'a'.repeat(64)}.example`, 'a'.repeat(300)])(
    'that DNS cannot be asked for is not found: %s',
    async (name) => {
      const { resolver, server } = await resolverAt(() => ({ addresses: ['192.0.2.1'] }))
      expect(await resultOf(resolver.lookup(name))).toBe('not_found')
      expect(server.questions).toEqual([])
    },
  )

  test('whose server is not there fails, and is not taken for a lack of this node', async () => {
    const { resolver, server } = await resolverAt(() => null)
    await server[Symbol.asyncDispose]()
    stack = new AsyncDisposableStack()
    expect(await resultOf(resolver.lookup('receiver.example'))).toBe('no_answer')
    resolver[Symbol.dispose]()
  })

  test('is used without the other family if that one does not come', async () => {
    const { resolver, server } = await resolverAt(({ type }) => (type === 'A' ? { addresses: ['192.0.2.1'] } : null))
    const result = resultOf(resolver.lookup('receiver.example'))
    await expect.poll(() => clock.timers).toBe(2)
    await clock.advance(DESTINATION_LIMITS.lookupOtherFamilyMs)
    expect(await result).toEqual(['192.0.2.1'])
    expect(server.questions).toContain('receiver.example AAAA')
    expect(clock.timers).toBe(0)
  })
})

describe('a name server that never answers', () => {
  const silentFor =
    (silent: RegExp): Answering =>
    ({ name }) =>
      silent.test(name) ? null : { addresses: ['192.0.2.1'] }

  test('holds up only its own name: forty who ask share one lookup, and others are found meanwhile', async () => {
    const { resolver, server } = await resolverAt(silentFor(/silent/))
    const events: string[] = []
    const silent = Array.from({ length: 40 }, async () => {
      await resultOf(resolver.lookup('silent.example'))
      events.push('given up')
    })
    await reached(server, 'silent.example A')
    expect(resolver.counts.underWay).toBe(1)
    expect(await resultOf(resolver.lookup('receiver.example'))).toEqual(['192.0.2.1'])
    expect(await resultOf(resolver.lookup('localhost'))).toEqual(['127.0.0.1', '::1'])
    events.push('others found')
    expect(resolver.counts.underWay).toBe(1)
    await clock.advance(DESTINATION_LIMITS.lookupMs)
    await Promise.all(silent)
    expect(events).toEqual(['others found', ...Array<string>(40).fill('given up')])
    expect(resolver.counts).toMatchObject({ underWay: 0, ended: { found: 1, no_answer: 1 } })
  })

  test('is asked no more once the lookup is over', async () => {
    const { resolver, server } = await resolverAt(silentFor(/silent/), { resolvConf: 'search a.example b.example\n' })
    const result = resultOf(resolver.lookup('silent'))
    await reached(server, 'silent.a.example A')
    await clock.advance(DESTINATION_LIMITS.lookupMs)
    expect(await result).toBe('no_answer')
    expect(server.questions.filter((one) => !one.startsWith('silent.a.example'))).toEqual([])
    expect(clock.timers).toBe(0)
  })

  test('leaves room for names that have resolved before, however many silent ones there are', async () => {
    const { resolver } = await resolverAt(silentFor(/silent|new/), { max: 8 })
    expect(await resultOf(resolver.lookup('known.example'))).toEqual(['192.0.2.1'])
    await clock.advance(60_000)
    const silent = Array.from({ length: 6 }, (_, i) => resultOf(resolver.lookup(`silent${i}.example`)))
    expect(resolver.counts.underWay).toBe(6)
    expect(await resultOf(resolver.lookup('new.example'))).toBe('busy')
    expect(await resultOf(resolver.lookup('known.example'))).toEqual(['192.0.2.1'])
    await clock.advance(DESTINATION_LIMITS.lookupMs)
    expect(await Promise.all(silent)).toEqual(Array<string>(6).fill('no_answer'))
    // Nobody answered for it, so that nothing is remembered of it.
    const again = resultOf(resolver.lookup('new.example'))
    expect(resolver.counts.underWay).toBe(1)
    await clock.advance(DESTINATION_LIMITS.lookupMs)
    expect(await again).toBe('no_answer')
  })

  test('does not keep the gateway from ending', async () => {
    const { resolver, server } = await resolverAt(silentFor(/silent/))
    const result = resultOf(resolver.lookup('silent.example'))
    await reached(server, 'silent.example A')
    resolver[Symbol.dispose]()
    expect(await result).toBe('no_answer')
    expect(await resultOf(resolver.lookup('silent.example'))).toBe('no_answer')
    expect(await resultOf(resolver.lookup('receiver.example'))).toBe('busy')
    expect(clock.timers).toBe(0)
  })
})

describe('an answer', () => {
  test('is believed for some seconds, and then asked for again', async () => {
    let address = '192.0.2.1'
    const { resolver, server } = await resolverAt(() => ({ addresses: [address] }))
    expect(await resultOf(resolver.lookup('receiver.example'))).toEqual(['192.0.2.1'])
    address = '192.0.2.2'
    await clock.advance(DESTINATION_LIMITS.lookupAnswerKeptMs - 1)
    expect(await resultOf(resolver.lookup('receiver.example'))).toEqual(['192.0.2.1'])
    expect(server.questions).toHaveLength(2)
    await clock.advance(1)
    expect(await resultOf(resolver.lookup('receiver.example'))).toEqual(['192.0.2.2'])
  })

  test('is not believed longer than its time to live', async () => {
    const { resolver, server } = await resolverAt(() => ({ addresses: ['192.0.2.1'], ttlSeconds: 0 }))
    await resolver.lookup('receiver.example')
    await resolver.lookup('receiver.example')
    expect(server.questions).toHaveLength(4)
  })

  test('that there is no such name is believed for some seconds', async () => {
    let answer: Answer = NOT_FOUND
    const { resolver, server } = await resolverAt(() => answer)
    expect(await resultOf(resolver.lookup('receiver.example'))).toBe('not_found')
    answer = { addresses: ['192.0.2.1'] }
    await clock.advance(DESTINATION_LIMITS.lookupFailureKeptMs - 1)
    expect(await resultOf(resolver.lookup('receiver.example'))).toBe('not_found')
    expect(server.questions).toHaveLength(2)
    await clock.advance(1)
    expect(await resultOf(resolver.lookup('receiver.example'))).toEqual(['192.0.2.1'])
  })

  test('that comes late is used by all who wait for it', async () => {
    const open = Promise.withResolvers<Answer>()
    const { resolver, server } = await resolverAt(() => open.promise)
    const results = [resolver.lookup('slow.example'), resolver.lookup('SLOW.example')].map(resultOf)
    await reached(server, 'slow.example AAAA')
    await clock.advance(DESTINATION_LIMITS.lookupMs - 1)
    open.resolve({ addresses: ['192.0.2.1'] })
    expect(await Promise.all(results)).toEqual([['192.0.2.1'], ['192.0.2.1']])
  })

  test('that is no answer does not keep the next one from being found', async () => {
    const raw = Buffer.from('no answer at all')
    const { resolver, server } = await resolverAt(({ name }) =>
      name.startsWith('odd') ? { raw } : { addresses: ['192.0.2.1'] },
    )
    const odd = resultOf(resolver.lookup('odd.example'))
    await reached(server, 'odd.example A')
    expect(await resultOf(resolver.lookup('receiver.example'))).toEqual(['192.0.2.1'])
    await clock.advance(DESTINATION_LIMITS.lookupMs)
    expect(await odd).toMatch(/no_answer|bad_answer/)
  })
})

describe('the machine', () => {
  test('has a hosts file that goes before DNS, and is read again when it changes', async () => {
    const { resolver, server } = await resolverAt(() => NOT_FOUND, { hosts: '192.0.2.9 receiver printer\n' })
    expect(await resultOf(resolver.lookup('Receiver'))).toEqual(['192.0.2.9'])
    expect(await resultOf(resolver.lookup('receiver.'))).toEqual(['192.0.2.9'])
    write('hosts', '192.0.2.10 receiver\n::1 receiver\n')
    utimesSync(join(folder, 'hosts'), 1, 1)
    await clock.advance(DESTINATION_LIMITS.systemFilesLookMs)
    expect(await resultOf(resolver.lookup('receiver'))).toEqual(['192.0.2.10', '::1'])
    expect(server.questions).toEqual([])
    rmSync(join(folder, 'hosts'))
    await clock.advance(DESTINATION_LIMITS.systemFilesLookMs)
    expect(await resultOf(resolver.lookup('receiver'))).toBe('not_found')
  })

  test('is localhost itself, and all below it, without a question to anybody', async () => {
    const { resolver, server } = await resolverAt(() => ({ addresses: ['192.0.2.1'] }))
    for (const name of ['localhost', 'LOCALHOST.', 'app.localhost'])
      expect(await resultOf(resolver.lookup(name))).toEqual(['127.0.0.1', '::1'])
    expect(server.questions).toEqual([])
  })

  test('finds the services of a cluster by their short names', async () => {
    const { resolver, server } = await resolverAt(
      ({ name }) => (name === 'postgres.default.svc.cluster.local' ? { addresses: ['192.0.2.5'] } : NOT_FOUND),
      { resolvConf: 'search default.svc.cluster.local svc.cluster.local\noptions ndots:5\n' },
    )
    expect(await resultOf(resolver.lookup('postgres'))).toEqual(['192.0.2.5'])
    expect(await resultOf(resolver.lookup('postgres.default'))).toEqual(['192.0.2.5'])
    expect(await resultOf(resolver.lookup('postgres.'))).toBe('not_found')
    const asked = server.questions.filter((one) => one.endsWith(' A')).map((one) => one.slice(0, -2))
    expect(asked).toEqual([
      'postgres.default.svc.cluster.local',
      'postgres.default.default.svc.cluster.local',
      'postgres.default.svc.cluster.local',
      'postgres',
    ])
  })

  test('goes on with the next name when the server has trouble with one', async () => {
    const { resolver } = await resolverAt(
      ({ name }) => (name === 'receiver' ? { addresses: ['192.0.2.5'] } : { code: 2 }),
      { resolvConf: 'search broken.example\n' },
    )
    expect(await resultOf(resolver.lookup('receiver'))).toEqual(['192.0.2.5'])
  })
})
