/** What of a PostgreSQL database others may read. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type EncryptionKey, encryptionKey } from '../../src/domain/encryption.ts'
import type { Store } from '../../src/store/store.ts'
import { APP, endpoint } from '../conformance/builders.ts'
import { missingPostgres, type PostgresServer, startPostgres } from '../postgres-server.ts'
import { openStore } from './temp-postgres.ts'

const [one, two] = [encryptionKey(Buffer.alloc(32, 1)), encryptionKey(Buffer.alloc(32, 2))]
const made = endpoint({
  secrets: [{ secret: 'whsec_Zm9yIHRoZSBkdW1w', expiresAt: null }],
  headers: { authorization: 'Bearer only-the-receiver-knows' },
})
const IN_THE_CLEAR = ['whsec_Zm9yIHRoZSBkdW1w', 'only-the-receiver-knows', 'signs-all-tokens']

describe.skipIf(missingPostgres() !== null)('secrets in PostgreSQL', () => {
  let server: PostgresServer | undefined
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server?.[Symbol.asyncDispose]())

  /** Opens, does something, and closes; returns what was said about the start. */
  async function withStore(url: string, encryptionKeys: EncryptionKey[], work: (store: Store) => unknown = () => {}) {
    const notices: string[] = []
    await using store = await openStore(url, { encryptionKeys, onNotice: (notice) => notices.push(notice) })
    await work(store)
    return notices
  }
  const fill = async (store: Store) => {
    await store.createEndpoint(made)
    await store.secret('jwt', () => 'signs-all-tokens')
  }
  const readable = async (url: string): Promise<string[]> => {
    const rows = await server!.sql(url, 'SELECT e::text AS row FROM endpoint e UNION ALL SELECT m::text FROM meta m')
    const dump = JSON.stringify(rows)
    return IN_THE_CLEAR.filter((text) => dump.includes(text))
  }

  test('are encrypted with a key, and read back', async () => {
    const url = await server!.createDatabase()
    expect(await withStore(url, [one], fill)).toEqual([])
    expect(await readable(url)).toEqual([])
    const notices = await withStore(url, [one], async (store) => {
      expect(await store.getEndpoint(APP, made.id)).toEqual(made)
      expect(await store.secret('jwt', () => 'x')).toBe('signs-all-tokens')
    })
    expect(notices).toEqual([])
  })

  test('are in the clear without a key, which is said at every start', async () => {
    const url = await server!.createDatabase()
    const said = [expect.stringMatching(/^ENCRYPTION_KEY is not set: .* stored in the clear/)]
    expect(await withStore(url, [], fill)).toEqual(said)
    expect(await withStore(url, [])).toEqual(said)
    expect(await readable(url)).toEqual(IN_THE_CLEAR)
  })

  test('from before there was a key are read, and it is said that they are in the clear', async () => {
    const url = await server!.createDatabase()
    await withStore(url, [], fill)
    for (let start = 0; start < 2; start++)
      expect(
        await withStore(url, [one], async (store) => expect(await store.getEndpoint(APP, made.id)).toEqual(made)),
      ).toEqual([expect.stringContaining('in the clear until `hookferry rekey`')])
  })

  test('keep a node from starting that lacks their key, and name the key', async () => {
    const url = await server!.createDatabase()
    await withStore(url, [one], fill)
    const named = `holds secrets that are encrypted with the key ${one.id}`
    await expect(withStore(url, [])).rejects.toThrow(`${named}, and there is no key: set ENCRYPTION_KEY`)
    await expect(withStore(url, [two])).rejects.toThrow(`${named}, and the newest key that was given is ${two.id}`)
    await withStore(url, [two, one], async (store) => expect(await store.getEndpoint(APP, made.id)).toEqual(made))
  })

  test('that a node cannot read are refused as trouble of the store, until it has the key', async () => {
    const url = await server!.createDatabase()
    await using old = await openStore(url, { encryptionKeys: [one] })
    await withStore(url, [two, one], fill)
    await expect(old.getEndpoint(APP, made.id)).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(await old.endpointsOf(APP)).toHaveLength(1)
  })
})
