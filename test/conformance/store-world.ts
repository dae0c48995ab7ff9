/**
 * A store and what should be in it: every step is done to the store and to a small model, and the two are compared.
 *
 * Two nodes work on the same deliveries. A node's hand is what it believes to hold; the model knows what it does hold.
 */
// oxlint-disable vitest/no-standalone-expect -- the methods are the steps of a test
import { expect } from 'vitest'
import type { DeliveryKey, DeliveryState } from '../../src/domain/delivery.ts'
import type { EndpointId } from '../../src/domain/ids.ts'
import type { Settled, Settlement } from '../../src/store/port/queue.ts'
import type { Store } from '../../src/store/store.ts'
import {
  acceptance,
  runOfManual,
  APP,
  attemptsOf,
  claim,
  createEndpoints,
  deliveryOf,
  effect,
  HOUR,
  failed,
  type Held,
  keyOf,
  keyText,
  SECOND,
  succeeded,
} from './builders.ts'
import type { Result, Step } from './store-steps.ts'

/** A row of the queue: the delivery itself, or a manual attempt of it. `at` is when it is due or its lease ends. */
interface Row {
  key: DeliveryKey
  state: DeliveryState
  owner: string | null
  at: number
  tries: number
  attempts: number
}

const EVERYTHING = 1_000
/** Not a whole second, so that no step happens exactly at the end of a lease. */
const LEASE_MS = 30_500

export class World {
  readonly #store: Store
  readonly #endpoints: EndpointId[]
  readonly #rows = new Map<string, Row>()
  readonly #hands = new Map<string, Held[]>()
  readonly #expunged = new Set<string>()
  readonly #pausedUntil = new Map<EndpointId, number>()
  now: number

  private constructor(store: Store, endpoints: EndpointId[], now: number) {
    this.#store = store
    this.#endpoints = endpoints
    this.now = now
  }

  static async create(store: Store, now: number): Promise<World> {
    return new World(store, await createEndpoints(store, 3), now)
  }

  async take(step: Step): Promise<void> {
    switch (step.do) {
      case 'accept':
        return this.#accept(step)
      case 'claim':
        return this.#claim(step)
      case 'settle':
        return this.#settle(step)
      case 'release':
        return this.#release(step)
      case 'renew':
        return this.#renew(step.owner)
      case 'wait':
        this.now += step.seconds * SECOND
        return
      case 'sweep':
        return this.#sweep()
      case 'manual':
        return this.#manual(step.pick)
      case 'cancelWaiting':
        return this.#cancelWaiting(this.#endpoints[step.endpoint]!)
      case 'expunge':
        return this.#expunge(step.pick)
      default:
        return step satisfies never
    }
  }

  /** Compares the deliveries and their number with the model. */
  async check(): Promise<void> {
    const waiting = this.#all().filter((row) => row.state === 'pending')
    const backlog = await this.#store.backlog(this.now)
    expect(backlog.pending).toBe(waiting.length)
    expect(backlog.oldestDueAt !== null).toBe(this.#claimable().length > 0)
    await Promise.all(this.#deliveries().map((row) => this.#checkDelivery(row)))
  }

  async #checkDelivery(row: Row): Promise<void> {
    const delivery = await deliveryOf(this.#store, row.key)
    expect(delivery).toMatchObject({ state: row.state, attempts: row.attempts })
    if (row.state !== 'pending') expect(delivery?.nextAttemptAt).toBeNull()
    else if (row.at > this.now) expect(delivery?.nextAttemptAt).toBe(row.at)
    else expect(delivery?.nextAttemptAt).toBeLessThanOrEqual(this.now)
  }

  /** Every attempt is on record once, and numbered. */
  async #checkAttempts(row: Row): Promise<void> {
    const attempts = await attemptsOf(this.#store, row.key, EVERYTHING)
    const numbers = attempts.filter((one) => one.endpointId === row.key.endpointId).map((one) => one.number)
    expect(numbers.sort((a, b) => a - b)).toEqual(Array.from({ length: row.attempts }, (_, i) => i + 1))
  }

  /** Lets time pass and finishes what can be claimed, until nothing should be open any more. */
  async drain(owner: string): Promise<void> {
    for (let round = 0; this.#all().some(isOpen); round++) {
      expect(round).toBeLessThan(20)
      this.now += 60 * SECOND
      await this.#sweep()
      await this.#claim({ owner, max: EVERYTHING, perEndpointMax: EVERYTHING })
      for (const held of this.#handOf(owner).splice(0)) await this.#settleOne(owner, held, 'success', 0)
    }
    await this.check()
    await Promise.all(this.#deliveries().map((row) => this.#checkAttempts(row)))
    expect(await claim(this.#store, owner, { now: this.now * 2 })).toEqual({ deliveries: [], nextDueAt: null })
  }

  // ---- the steps ------------------------------------------------------------------------------------------------

  async #accept({ endpoints, leaseTo, waitS }: Extract<Step, { do: 'accept' }>): Promise<void> {
    const to = endpoints.map((i) => this.#endpoints[i]!)
    const lease = leaseTo === null ? null : { owner: leaseTo, until: this.now + LEASE_MS }
    const kept = { receivedAt: this.now, expiresAt: this.now + 1_000 * HOUR }
    const accepted = acceptance(to, { lease, dueAt: this.now + waitS * SECOND, ...kept })
    await this.#store.accept([accepted])
    for (const { endpointId, dueAt } of accepted.deliveries) {
      const key = { appId: APP, msgId: accepted.message.id, endpointId, run: 0 }
      const held = lease === null ? null : { owner: lease.owner, at: lease.until, state: 'leased' as const }
      this.#add(key, held ?? { owner: null, at: dueAt, state: 'pending' })
      if (leaseTo !== null) this.#handOf(leaseTo).push({ ...key, tries: 0 })
    }
  }

  async #claim(request: { owner: string; max: number; perEndpointMax: number }): Promise<void> {
    const { owner, max, perEndpointMax } = request
    const claimable = new Set(this.#claimable())
    const until = this.now + LEASE_MS
    const limits = { max, perEndpointMax, lease: { owner, until }, now: this.now }
    const { deliveries, nextDueAt } = await claim(this.#store, owner, limits)

    const perEndpoint = new Map<EndpointId, number>()
    for (const delivery of deliveries) {
      const row = this.#rows.get(keyText(delivery))
      expect(row && claimable.delete(row), 'only what is due and held by nobody is claimed').toBe(true)
      expect(delivery).toMatchObject({ tries: row!.tries, leaseUntil: until })
      Object.assign(row!, { state: 'leased', owner, at: until })
      this.#handOf(owner).push({ ...keyOf(delivery), tries: delivery.tries })
      perEndpoint.set(delivery.endpointId, (perEndpoint.get(delivery.endpointId) ?? 0) + 1)
    }
    expect(deliveries.length).toBeLessThanOrEqual(max)
    expect(Math.max(0, ...perEndpoint.values())).toBeLessThanOrEqual(perEndpointMax)
    if (claimable.size > 0) expect(deliveries.length, 'a claim takes something if something is due').toBeGreaterThan(0)
    if (max === EVERYTHING && perEndpointMax === EVERYTHING) expect(claimable.size).toBe(0)
    this.#checkNextDue(nextDueAt)
  }

  #checkNextDue(nextDueAt: number | null): void {
    const waiting = this.#all().filter((row) => row.state === 'pending')
    const expected = Math.min(...waiting.map((row) => this.#claimableAt(row)))
    if (expected === Infinity) expect(nextDueAt).toBeNull()
    else if (expected > this.now) expect(nextDueAt).toBe(expected)
    else expect(nextDueAt).toBeLessThanOrEqual(this.now)
  }

  async #settle({ owner, pick, result, waitS, isRepeated }: Extract<Step, { do: 'settle' }>): Promise<void> {
    const hand = this.#handOf(owner)
    if (hand.length === 0) return
    const index = pick % hand.length
    const held = hand[index]!
    if (!isRepeated) hand.splice(index, 1)
    await this.#settleOne(owner, held, result, waitS)
  }

  async #settleOne(owner: string, held: Held, wanted: Result, waitS: number): Promise<void> {
    // A manual attempt is made once.
    const result = held.run > 0 && wanted === 'retry' ? 'giveUp' : wanted
    const at = this.now + waitS * SECOND
    const settlement = this.#settlementOf(owner, held, result, at)
    const expected = this.#applySettlement(settlement, result, at)
    expect(await this.#store.settle(settlement)).toMatchObject(expected)
  }

  #settlementOf(owner: string, held: Held, result: Result, at: number): Settlement {
    const trigger = held.run > 0 ? 'manual' : 'scheduled'
    const base = { key: keyOf(held), owner, tries: held.tries, attempt: null, endpoint: null, announce: [] }
    switch (result) {
      case 'success':
        return { ...base, attempt: succeeded(this.now, { trigger }), to: { state: 'delivered', at: this.now } }
      case 'retry':
        return { ...base, attempt: failed(this.now, { trigger }), to: { state: 'pending', dueAt: at } }
      case 'giveUp': {
        const attempt = failed(this.now, { trigger, outcome: 'failure' })
        return { ...base, attempt, to: { state: 'failed', at: this.now } }
      }
      case 'cancel':
        return { ...base, to: { state: 'cancelled', at: this.now } }
      case 'defer':
        return { ...base, to: { state: 'pending', dueAt: at } }
      case 'pause':
        return { ...base, to: { state: 'pending', dueAt: at }, endpoint: effect({ pausedUntil: at }) }
      default:
        return result satisfies never
    }
  }

  /** What the settlement does to the model; returns what the store has to answer. */
  #applySettlement({ key, owner, tries, attempt, to }: Settlement, result: Result, at: number): Partial<Settled> {
    const delivery = this.#rows.get(keyText({ ...key, run: 0 }))!
    const row = this.#rows.get(keyText(key))
    const held = row !== undefined && row.state === 'leased' && row.owner === owner && row.tries === tries
    if (attempt !== null) delivery.attempts++
    if (held && key.run > 0 && to.state !== 'pending') this.#rows.delete(keyText(key))
    else if (held)
      Object.assign(row, {
        state: to.state,
        owner: null,
        at: to.state === 'pending' ? to.dueAt : 0,
        tries: row.tries + (attempt === null ? 0 : 1),
      })
    if (key.run > 0 && result === 'success' && !isOpen(delivery)) delivery.state = 'delivered'
    if (result === 'pause')
      this.#pausedUntil.set(key.endpointId, Math.max(at, this.#pausedUntil.get(key.endpointId) ?? 0))

    if (attempt === null) return { held, number: 0, outcome: null }
    const outcome = attempt.outcome === 'success' ? 'success' : isOpen(delivery) ? 'failed_attempt' : 'failure'
    return { held, number: delivery.attempts, outcome }
  }

  async #release({ owner, count, waitS }: Extract<Step, { do: 'release' }>): Promise<void> {
    const some = this.#handOf(owner).splice(0, count)
    const dueAt = this.now + waitS * SECOND
    await this.#store.release(some, owner, dueAt)
    for (const held of some)
      if (this.#isHeld(held, owner)) Object.assign(this.#rowOf(held)!, { state: 'pending', owner: null, at: dueAt })
  }

  async #renew(owner: string): Promise<void> {
    const hand = this.#handOf(owner)
    const until = this.now + LEASE_MS
    const kept = hand.filter((held) => this.#isHeld(held, owner))
    const lost = hand.filter((held) => !kept.includes(held))
    expect((await this.#store.renew(hand, { owner, until })).map(keyOf)).toEqual(lost.map(keyOf))
    for (const held of kept) this.#rowOf(held)!.at = until
    this.#hands.set(owner, kept)
  }

  async #sweep(): Promise<void> {
    const ended = this.#all().filter((row) => row.state === 'leased' && row.at <= this.now)
    expect(await this.#store.sweep(this.now, EVERYTHING)).toEqual({ expired: ended.length, repaired: 0 })
    for (const row of ended) Object.assign(row, { state: 'pending', owner: null, at: this.now })
  }

  async #manual(pick: number): Promise<void> {
    const deliveries = this.#deliveries().filter((row) => !this.#expunged.has(row.key.msgId))
    const delivery = deliveries[pick % deliveries.length]
    if (delivery === undefined) return
    const { msgId, endpointId } = delivery.key
    const waiting = this.#all().find(
      (row) =>
        row.key.run > 0 && row.key.msgId === msgId && row.key.endpointId === endpointId && row.state === 'pending',
    )
    const run = await runOfManual(this.#store, { appId: APP, msgId, endpointId }, this.now)
    if (waiting !== undefined) {
      expect(run).toBe(waiting.key.run)
      return
    }
    const key = { appId: APP, msgId, endpointId, run }
    expect(this.#rows.has(keyText(key)), 'two manual attempts never have the same name').toBe(false)
    this.#add(key, { owner: null, at: this.now, state: 'pending' })
  }

  async #cancelWaiting(endpointId: EndpointId): Promise<void> {
    const waiting = this.#all().filter((row) => row.state === 'pending' && row.key.endpointId === endpointId)
    expect(await this.#store.cancelWaiting(APP, endpointId, { max: EVERYTHING, what: 'all' })).toBe(waiting.length)
    this.#end(waiting)
  }

  /** Takes away the payload of a message of which nothing is held, so that all of its deliveries end at once. */
  async #expunge(pick: number): Promise<void> {
    const held = new Set(this.#all().flatMap((row) => (row.state === 'leased' ? [row.key.msgId] : [])))
    const free = this.#deliveries().filter((row) => !held.has(row.key.msgId))
    const msgId = free[pick % free.length]?.key.msgId
    if (msgId === undefined) return
    expect(await this.#store.expungeMessage(APP, msgId)).not.toBeNull()
    this.#expunged.add(msgId)
    this.#end(this.#all().filter((row) => row.state === 'pending' && row.key.msgId === msgId))
  }

  #end(waiting: readonly Row[]): void {
    for (const row of waiting)
      if (row.key.run === 0) row.state = 'cancelled'
      else this.#rows.delete(keyText(row.key))
  }

  // ---- the model ------------------------------------------------------------------------------------------------

  #add(key: DeliveryKey, row: Pick<Row, 'owner' | 'at' | 'state'>): void {
    this.#rows.set(keyText(key), { key, tries: 0, attempts: 0, ...row })
  }

  #all = (): Row[] => [...this.#rows.values()]
  #deliveries = (): Row[] => this.#all().filter((row) => row.key.run === 0)
  #rowOf = (key: DeliveryKey): Row | undefined => this.#rows.get(keyText(key))
  #claimableAt = (row: Row): number => Math.max(row.at, this.#pausedUntil.get(row.key.endpointId) ?? 0)
  #claimable = (): Row[] => this.#all().filter((row) => row.state === 'pending' && this.#claimableAt(row) <= this.now)

  #isHeld(held: Held, owner: string): boolean {
    const row = this.#rowOf(held)
    return row !== undefined && row.state === 'leased' && row.owner === owner && row.tries === held.tries
  }

  #handOf(owner: string): Held[] {
    let hand = this.#hands.get(owner)
    if (hand === undefined) this.#hands.set(owner, (hand = []))
    return hand
  }
}

const isOpen = (row: { state: DeliveryState }): boolean => row.state === 'pending' || row.state === 'leased'
