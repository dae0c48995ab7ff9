import { expect, test } from 'vitest'
import {
  acceptance,
  acceptFor,
  A,
  APP,
  B,
  claim,
  claimManual,
  createEndpoint,
  createEndpoints,
  HOUR,
  leaseOf,
  message,
  MINUTE,
  newId,
  type OpenStore,
  OTHER_APP,
  settlement,
  T0,
  text,
} from './builders.ts'

const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, i) => i)
/** NUL, a byte-order mark, an overlong form, a lone continuation byte, and a sequence cut short. */
const NOT_UTF8 = Uint8Array.of(0, 0xef, 0xbb, 0xbf, 0xc0, 0xaf, 0x80, 0, 0xff, 0xfe, 0xf0, 0x9f)

export function acceptConformance(open: OpenStore): void {
  test('an accepted message reads back as it was', async () => {
    await using opened = await open()
    const { store } = opened
    const {
      payload,
      shownPayload: _shown,
      hops: _hops,
      audience: _audience,
      ...sent
    } = message({
      eventId: 'event/1 "quoted" ünïcode 🔑',
      eventType: 'invoice.paid',
      channels: ['a', 'b'],
      tags: ['order:17', 'ünïcode'],
      contentType: 'application/json; charset=utf-8',
      deliverAt: T0 + 30 * 24 * HOUR,
    })
    await store.accept([acceptance([], { ...sent, payload })])
    expect(await store.getMessage(APP, sent.id)).toEqual({ ...sent, payloadRemoved: false })
    expect(await store.getPayload(APP, sent.id)).toEqual({
      payload: new Uint8Array(payload),
      contentType: sent.contentType,
    })
    expect(await store.deliveriesOf(APP, sent.id)).toEqual([])
  })

  test('what is shown of a message may be another payload than what is delivered', async () => {
    await using opened = await open()
    const { store } = opened
    const [payload, shownPayload] = [Buffer.from('raw=1'), Buffer.from('{"shown":true}')]
    const { msgId } = await acceptFor(store, await createEndpoint(store), { payload, shownPayload })
    const same = await acceptFor(store, newId('ep'), { payload })
    expect((await claim(store, A)).deliveries.map((one) => text(one.payload))).toContain('raw=1')
    expect(text((await store.getPayload(APP, msgId))?.payload)).toBe('raw=1')
    expect(text(await store.getShownPayload(APP, msgId))).toBe('{"shown":true}')
    expect(text(await store.getShownPayload(APP, same.msgId))).toBe('raw=1')
    expect(await store.getShownPayload(APP, newId('msg'))).toBeNull()
    expect(await store.getShownPayload(OTHER_APP, msgId)).toBeNull()
  })

  test.each([
    ['every byte there is', EVERY_BYTE],
    ['NUL bytes and invalid UTF-8', NOT_UTF8],
    ['nothing', new Uint8Array(0)],
    ['a stretch of a larger buffer', EVERY_BYTE.subarray(100, 200)],
    ['a megabyte', new Uint8Array(1_048_576).map((_, i) => (i * 31) % 251)],
  ])('a payload of %s is claimed and read as the bytes that were accepted', async (_, payload) => {
    await using opened = await open()
    const { store } = opened
    const { msgId } = await acceptFor(store, await createEndpoint(store), { payload })
    const expected = Buffer.from(payload)
    const read = await store.getPayload(APP, msgId)
    expect(Buffer.from(read?.payload ?? [255]).equals(expected)).toBe(true)
    const { deliveries } = await claim(store, A)
    expect(deliveries.map((one) => Buffer.from(one.payload).equals(expected))).toEqual([true])
  })

  test('a delivery is leased by its acceptance, or due at its time', async () => {
    await using opened = await open()
    const { store } = opened
    const [held, waiting] = await createEndpoints(store, 2)
    const accepted = acceptance([])
    accepted.deliveries.push({ endpointId: held!, lease: leaseOf(A), dueAt: T0 })
    accepted.deliveries.push({ endpointId: waiting!, lease: null, dueAt: T0 + MINUTE })
    const answer = await store.accept([accepted])
    expect(answer).toEqual([{ duplicate: false, replayed: false, messageId: accepted.message.id, deliveries: 2 }])

    const deliveries = await store.deliveriesOf(APP, accepted.message.id)
    expect(deliveries.find((one) => one.endpointId === held)).toEqual({
      endpointId: held,
      state: 'leased',
      attempts: 0,
      nextAttemptAt: null,
      lastAttemptAt: null,
    })
    expect(deliveries.find((one) => one.endpointId === waiting)).toEqual({
      endpointId: waiting,
      state: 'pending',
      attempts: 0,
      nextAttemptAt: T0 + MINUTE,
      lastAttemptAt: null,
    })
    const claimed = await claim(store, B, { now: T0 + MINUTE })
    expect(claimed.deliveries.map((one) => one.endpointId)).toEqual([waiting])
  })

  test('accepting nothing answers nothing', async () => {
    await using opened = await open()
    expect(await opened.store.accept([])).toEqual([])
  })

  test('when one of the acceptances cannot be stored, none is', async () => {
    await using opened = await open()
    const { store } = opened
    const endpointId = await createEndpoint(store)
    const idempotency = { scope: 'ingest', key: 'k', expiresAt: T0 + HOUR }
    const good = acceptance([endpointId], { eventId: 'e', idempotency })
    const sameId = acceptance([endpointId], { id: good.message.id })
    await expect(store.accept([good, acceptance([endpointId]), sameId])).rejects.toBeInstanceOf(Error)

    expect(await store.getMessage(APP, good.message.id)).toBeNull()
    expect(await store.deliveriesOf(APP, good.message.id)).toEqual([])
    expect((await claim(store, A)).deliveries).toEqual([])
    expect(await store.backlog(T0)).toEqual({ pending: 0, oldestDueAt: null })
    expect(await store.accept([good])).toMatchObject([{ duplicate: false }])
  })

  test('acceptances that fail do not take along others that are accepted at the same time', async () => {
    await using opened = await open()
    const { store } = opened
    const endpointId = await createEndpoint(store)
    const first = acceptance([endpointId])
    await store.accept([first])
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) =>
        store.accept([acceptance([endpointId], i % 5 === 0 ? { id: first.message.id } : {})]),
      ),
    )
    expect(results.map((result) => result.status)).toEqual(
      Array.from({ length: 20 }, (_, i) => (i % 5 === 0 ? 'rejected' : 'fulfilled')),
    )
    expect((await claim(store, A)).deliveries).toHaveLength(17)
  })

  test('a repeated idempotency key gets the first answer and stores nothing', async () => {
    await using opened = await open()
    const { store } = opened
    const endpoints = await createEndpoints(store, 3)
    const idempotency = { scope: 'ingest', key: 'order-1', expiresAt: T0 + HOUR }
    const first = acceptance(endpoints, { idempotency })
    const again = acceptance([endpoints[0]!], { idempotency, eventId: 'another event' })
    await store.accept([first])
    const answer = await store.accept([again])
    expect(answer).toEqual([{ duplicate: true, replayed: false, messageId: first.message.id, deliveries: 3 }])
    expect(await store.getMessage(APP, again.message.id)).toBeNull()
    expect((await claim(store, A)).deliveries).toHaveLength(3)
  })

  test('a key repeated within one call is stored once', async () => {
    await using opened = await open()
    const { store } = opened
    const endpointId = await createEndpoint(store)
    const idempotency = { scope: 'ingest', key: 'order-1', expiresAt: T0 + HOUR }
    const calls = [acceptance([endpointId], { idempotency }), acceptance([endpointId], { idempotency })]
    const answers = await store.accept(calls)
    expect(answers.map((answer) => answer.duplicate)).toEqual([false, true])
    expect(answers[1]!.messageId).toBe(calls[0]!.message.id)
    expect((await claim(store, A)).deliveries).toHaveLength(1)
  })

  test('the same key in another scope or application is another key', async () => {
    await using opened = await open()
    const { store } = opened
    const expiresAt = T0 + HOUR
    const answers = await store.accept([
      acceptance([], { idempotency: { scope: 'ingest', key: 'k', expiresAt } }),
      acceptance([], { idempotency: { scope: 'ingest/ep_1', key: 'k', expiresAt } }),
      acceptance([], { idempotency: { scope: 'ingest', key: 'k', expiresAt }, appId: OTHER_APP }),
    ])
    expect(answers.map((answer) => answer.duplicate)).toEqual([false, false, false])
  })

  test('a hundred concurrent repeats of one key make one message and one delivery', async () => {
    await using opened = await open()
    const { store } = opened
    const endpointId = await createEndpoint(store)
    const idempotency = { scope: 'ingest', key: 'order-1', expiresAt: T0 + HOUR }
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => store.accept([acceptance([endpointId], { idempotency })])),
    )
    expect(answers.flat().filter((answer) => !answer.duplicate)).toHaveLength(1)
    expect(new Set(answers.flat().map((answer) => answer.messageId)).size).toBe(1)
    expect((await claim(store, A)).deliveries).toHaveLength(1)
  })

  test('an idempotency key is free again once its record has expired and was removed, and not before', async () => {
    await using opened = await open()
    const { store } = opened
    const repeat = () => acceptance([], { idempotency: { scope: 'ingest', key: 'k', expiresAt: T0 + HOUR } })
    const first = repeat()
    await store.accept([first])
    expect(await store.pruneIdempotency(T0 + HOUR - MINUTE, 10)).toBe(0)
    expect(await store.accept([repeat()])).toMatchObject([
      { duplicate: true, replayed: false, messageId: first.message.id },
    ])

    expect(await store.pruneIdempotency(T0 + HOUR + MINUTE, 10)).toBe(1)
    const later = repeat()
    expect(await store.accept([later])).toMatchObject([
      { duplicate: false, replayed: false, messageId: later.message.id },
    ])
    expect(await store.accept([repeat()])).toMatchObject([
      { duplicate: true, replayed: false, messageId: later.message.id },
    ])
  })

  test('an event id is stored once for an application, however often and at whatever time it comes', async () => {
    await using opened = await open()
    const { store } = opened
    const [first, second] = await createEndpoints(store, 2)
    const accepted = acceptance([first!, second!], { eventId: 'evt-1', expiresAt: T0 + HOUR })
    await store.accept([accepted])
    const same = { duplicate: true, replayed: false, messageId: accepted.message.id, deliveries: 2 }
    expect(await store.accept([acceptance([first!], { eventId: 'evt-1' })])).toEqual([same])
    expect(await store.accept([acceptance([first!], { eventId: 'evt-1', appId: OTHER_APP })])).toMatchObject([
      { duplicate: false },
    ])
    expect(await store.accept([acceptance([], { eventId: 'EVT-1' }), acceptance([]), acceptance([])])).toMatchObject([
      { duplicate: false },
      { duplicate: false },
      { duplicate: false },
    ])

    for (const delivery of (await claim(store, A)).deliveries) await store.settle(settlement(delivery))
    await store.prunePayloads(T0 + 2 * HOUR, 10)
    expect(await store.accept([acceptance([], { eventId: 'evt-1', receivedAt: T0 + 900 * HOUR })])).toEqual([same])
  })

  test('a hundred concurrent messages with one event id make one message', async () => {
    await using opened = await open()
    const { store } = opened
    const endpointId = await createEndpoint(store)
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => store.accept([acceptance([endpointId], { eventId: 'evt-1' })])),
    )
    expect(answers.flat().filter((answer) => !answer.duplicate)).toHaveLength(1)
    expect((await claim(store, A)).deliveries).toHaveLength(1)
  })

  test('manual attempts do not count as deliveries in the answer to a repeat', async () => {
    await using opened = await open()
    const { store } = opened
    const delivery = await acceptFor(store, await createEndpoint(store), { eventId: 'evt-1', lease: leaseOf(A) })
    await claimManual(store, delivery)
    expect(await store.accept([acceptance([], { eventId: 'evt-1' })])).toMatchObject([
      { duplicate: true, deliveries: 1 },
    ])
  })

  test('what was accepted is there after the store was closed and opened again', async () => {
    await using opened = await open()
    const endpointId = await createEndpoint(opened.store)
    const idempotency = { scope: 'ingest', key: 'k', expiresAt: T0 + HOUR }
    const accepted = acceptance([endpointId], { idempotency, eventId: 'evt-1', payload: NOT_UTF8 })
    await opened.store.accept([accepted])

    const store = await opened.reopen()
    expect(await store.getMessage(APP, accepted.message.id)).toMatchObject({ eventId: 'evt-1' })
    expect(await store.accept([acceptance([], { id: newId('msg'), idempotency })])).toMatchObject([{ duplicate: true }])
    const { deliveries } = await claim(store, A)
    expect(deliveries.map((one) => Buffer.from(one.payload))).toEqual([Buffer.from(NOT_UTF8)])
  })
  test('a key is free again once it expired, also where nothing has removed it yet', async () => {
    await using opened = await open()
    const { store } = opened
    const at = (receivedAt: number) =>
      acceptance([], { receivedAt, idempotency: { scope: 'source', key: 'k', expiresAt: receivedAt + MINUTE } })
    const take = async (receivedAt: number) => (await store.accept([at(receivedAt)]))[0]!.duplicate
    expect(await take(T0)).toBe(false)
    expect(await take(T0 + MINUTE - 1)).toBe(true)
    const both = await Promise.all([take(T0 + MINUTE), take(T0 + MINUTE)])
    expect(both.toSorted()).toEqual([false, true])
    expect(await take(T0 + MINUTE + 1)).toBe(true)
  })
}
