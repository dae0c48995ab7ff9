/**
 * Messages whose payload was taken away while nodes held deliveries of them. Nobody is to be sent such a payload any more, and
 * asking the store before each attempt would cost too much. So a node is told, asks for the list now and then, and when it
 * could not ask for `LIMITS.expungedUnseenMs` it starts nothing until it has. Whoever expunges waits for as long as that in the
 * worst case: then no node can be left that does not know.
 */
import type { MessageId } from '../../domain/ids.ts'
import { LIMITS } from '../../domain/limits.ts'
import type { Clock } from '../../lib/clock.ts'
import { every, type Service } from '../service.ts'

/** A list that is asked for again reaches back so much further: the store takes a while to show what it wrote. */
const OVERLAP_MS = 120_000

export interface ExpungedOptions {
  clock: Clock
  /** What was expunged in the last so many ms. Null when no other node can. */
  recent: ((withinMs: number) => Promise<MessageId[]>) | null
}

export class Expunged {
  readonly #options: ExpungedOptions
  /** Until when they are remembered: longer than a claim that read them before can take. */
  readonly #known = new Map<MessageId, number>()
  /** Gives up what is held of these messages; of all when there are too many to name. */
  #discard: (isMeant: (msgId: MessageId) => boolean) => void = () => {}
  #asking: Promise<void> | null = null
  #soon: Promise<void> | null = null
  #seenAt: number

  constructor(options: ExpungedOptions) {
    this.#options = options
    this.#seenAt = options.clock.now()
  }

  /** Who holds deliveries. */
  tell(discard: (isMeant: (msgId: MessageId) => boolean) => void): void {
    this.#discard = discard
  }

  /** Whether this node knows enough to start an attempt. */
  isCurrent(now: number): boolean {
    const ageMs = now - this.#seenAt
    // In the future means that the clock was set back: nobody knows how old it is.
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
    // Back to the store with everything: a claim finds out what still has a payload.
    this.#known.clear()
    this.#discard(() => true)
  }

  /** Asks what was expunged; once for all who want to know. */
  check(): Promise<void> {
    return (this.#asking ??= this.#check().finally(() => (this.#asking = null)))
  }

  /** Fulfilled when it is worth looking again whether this node is current. Of a store that does not answer the service tells. */
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
