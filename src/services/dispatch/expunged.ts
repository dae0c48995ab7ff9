/**
 * Keeps the messages whose payload was expunged while nodes held deliveries of them. Such a payload must not be sent
 * any more, and to ask the store before each attempt would cost too much. So a node is told, and asks for the list now
 * and then. A node that could not ask for `LIMITS.expungedUnseenMs` starts no attempt until it has asked. The request
 * that expunges waits for as long as that in the worst case: after that time every node knows.
 */
import type { MessageId } from '../../domain/ids.ts'
import { LIMITS } from '../../domain/limits.ts'
import type { Clock } from '../../lib/clock.ts'
import { every, type Service } from '../service.ts'

/** Each list overlaps the one before by this time: the store takes a while to show what was written to it. */
const OVERLAP_MS = 120_000

export interface ExpungedOptions {
  clock: Clock
  /** Lists the messages that were expunged in the last `withinMs` ms. Null when no other node can expunge. */
  recent: ((withinMs: number) => Promise<MessageId[]>) | null
}

export class Expunged {
  readonly #options: ExpungedOptions
  /**
   * The expunged messages, with the time until which each is remembered: longer than a claim that read one before can
   * take.
   */
  readonly #known = new Map<MessageId, number>()
  /** Gives up the deliveries held of these messages; all deliveries when the messages are too many to remember. */
  #discard: (isMeant: (msgId: MessageId) => boolean) => void = () => {}
  #asking: Promise<void> | null = null
  #soon: Promise<void> | null = null
  #seenAt: number

  constructor(options: ExpungedOptions) {
    this.#options = options
    this.#seenAt = options.clock.now()
  }

  /** Registers the holder of the deliveries. */
  tell(discard: (isMeant: (msgId: MessageId) => boolean) => void): void {
    this.#discard = discard
  }

  /** True while this node knows enough to start an attempt. */
  isCurrent(now: number): boolean {
    const ageMs = now - this.#seenAt
    // A time in the future means that the clock was set back: the age of the list is unknown.
    return this.#options.recent === null || (ageMs >= 0 && ageMs <= LIMITS.expungedUnseenMs)
  }

  has(msgId: MessageId): boolean {
    return this.#known.size > 0 && this.#known.has(msgId)
  }

  note(ids: readonly MessageId[]): void {
    const news = new Set(ids.filter((id) => !this.#known.has(id)))
    if (news.size === 0) return
    const until = this.#options.clock.now() + OVERLAP_MS
    for (const id of news) this.#known.set(id, until)
    if (this.#known.size <= LIMITS.expungedRememberedMax) return this.#discard((id) => news.has(id))
    // All deliveries go back to the store: a claim finds out which still have a payload.
    this.#known.clear()
    this.#discard(() => true)
  }

  /** Asks for the expunged messages; one question serves all callers. */
  check(): Promise<void> {
    return (this.#asking ??= this.#check().finally(() => (this.#asking = null)))
  }

  /**
   * Fulfilled when it is worth looking again whether this node is current. The service reports a store that does not
   * answer.
   */
  soon(): Promise<void> {
    const { clock } = this.#options
    const later = () => new Promise<void>((resolve) => clock.after(LIMITS.expungedPollMs, resolve))
    return (this.#soon ??= this.check()
      .catch(later)
      .finally(() => (this.#soon = null)))
  }

  async #check(): Promise<void> {
    const { clock, recent } = this.#options
    const now = clock.now()
    if (recent !== null) this.note(await recent(OVERLAP_MS + Math.max(0, now - this.#seenAt)))
    this.#seenAt = now
    for (const [id, until] of this.#known) if (until < now) this.#known.delete(id)
  }

  get service(): Service {
    return every('expunged', this.#options.clock, LIMITS.expungedPollMs, () => this.check())
  }
}
