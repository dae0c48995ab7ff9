/**
 * Claims that may or may not have been committed: the connection broke before the answer. If such a claim was
 * committed, this node holds deliveries that it does not know of, and they would wait until their leases end. The next
 * claim looks them up.
 */
import type { DeliveryKey } from '../../domain/delivery.ts'
import type { Lease } from '../port/lease.ts'
import type { Candidate } from './choose.ts'
import { type Pool, statement } from './database.ts'
import { prolong } from './leases.ts'
import { numberArray, textArray } from './values.ts'

/**
 * Locks the deliveries, so that they change no more from here on. The statement waits for a commit that is still on its
 * way, which has locked them.
 */
const LOCK = statement(
  'doubts-lock',
  `SELECT 1 FROM unnest($1::text[], $2::text[], $3::text[], $4::int[]) k (app_id, msg_id, endpoint_id, run)
   JOIN delivery d ON d.app_id = k.app_id AND d.msg_id = k.msg_id AND d.endpoint_id = k.endpoint_id AND d.run = k.run
   ORDER BY d.app_id, d.msg_id, d.endpoint_id, d.run FOR UPDATE OF d`,
)

const toHeld = (one: Candidate): DeliveryKey & { tries: number } => ({
  appId: one.app_id as DeliveryKey['appId'],
  msgId: one.msg_id as DeliveryKey['msgId'],
  endpointId: one.endpoint_id as DeliveryKey['endpointId'],
  run: one.run,
  tries: one.tries,
})

const nameOf = ({ appId, msgId, endpointId, run }: DeliveryKey): string => `${appId} ${msgId} ${endpointId} ${run}`

export class ClaimsInDoubt {
  /** The deliveries that each owner may hold: those of one claim at most, for the next claim begins with them. */
  readonly #doubts = new Map<string, readonly Candidate[]>()

  note(owner: string, taken: readonly Candidate[]): void {
    const known = this.#doubts.get(owner) ?? []
    if (taken.length > 0) this.#doubts.set(owner, [...known, ...taken])
  }

  /**
   * The deliveries that this owner turns out to hold, now with this lease; null when there is no doubt. After a failure
   * the doubt remains.
   */
  async resolve(pool: Pool, lease: Lease): Promise<Candidate[] | null> {
    const doubtful = this.#doubts.get(lease.owner)
    if (doubtful === undefined) return null
    const held = await pool.transaction(async (session) => {
      await session.run(
        LOCK,
        textArray(doubtful.map((one) => one.app_id)),
        textArray(doubtful.map((one) => one.msg_id)),
        textArray(doubtful.map((one) => one.endpoint_id)),
        numberArray(doubtful.map((one) => one.run)),
      )
      const lost = new Set((await prolong(session.ask, doubtful.map(toHeld), lease)).map(nameOf))
      return doubtful.filter((one) => !lost.has(nameOf(toHeld(one))))
    })
    if (this.#doubts.get(lease.owner) === doubtful) this.#doubts.delete(lease.owner)
    return held
  }
}
