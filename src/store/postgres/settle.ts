/**
 * Settles a batch. Nearly all settlements are of one kind: the end of a scheduled attempt whose lease is still held.
 * Those are moved, logged and put into lanes by one statement. The others are settled one by one: manual attempts,
 * leases that were lost, attempts that were settled before.
 */
import type { Reply } from '../shared/batcher.ts'
import type { Settled, Settlement } from '../port/queue.ts'
import { acceptIn } from './accept.ts'
import { repliesOf, succeeded } from './replies.ts'
import type { Pool, Session } from './database.ts'
import { type Affected, affectEndpoints, lanesOfPauses, pauseLanes, pausesOf } from './effects.ts'
import { addToLanes, lockLanesOf, perLane } from './lanes.ts'
import { ATTEMPT, PAYLOAD, type Partitions } from './partitions.ts'
import { type Progress, settleAlone } from './settle-alone.ts'
import { MOVE, MOVE_ONLY, moveAll } from './settle-move.ts'

/** Writes attempts and their effects. An attempt is kept even when the lease was lost: a receiver saw it. */
export async function settle(
  pool: Pool,
  partitions: Partitions,
  settlements: readonly Settlement[],
): Promise<Reply<Settled>[]> {
  await partitions.ready(
    PAYLOAD,
    settlements.flatMap(({ announce }) => announce.map(({ acceptance }) => acceptance.message.expiresAt)),
  )
  await partitions.ready(
    ATTEMPT,
    settlements.flatMap(({ attempt }) => (attempt === null ? [] : [attempt.at])),
  )
  const sorted = settlements.map((settlement, i) => ({ settlement, i }))
  sorted.sort((a, b) => compareKeys(a.settlement, b.settlement))
  const replies = Array<Reply<Settled>>(settlements.length)
  let rest = sorted
  const isCommon = settlements.every(
    ({ key, endpoint, announce }) => key.run === 0 && endpoint === null && announce.length === 0,
  )
  if (isCommon) {
    const moved = await moveAll(
      (values) => pool.write(MOVE, ...values),
      sorted.map(({ settlement }) => settlement),
    )
    // Not in the statement itself, because endpoints are locked before lanes. If this fails, the settlements are
    // repeated.
    const ending = sorted.flatMap(({ settlement }, at) => (moved[at]?.endsFailures === true ? [settlement] : []))
    if (ending.length > 0) await pool.transaction((session) => affectEndpoints(session, ending))
    rest = sorted.filter(({ i }, at) => {
      const progress = moved[at]
      if (progress !== undefined) replies[i] = { ok: true, value: toSettled(progress, null) }
      return progress === undefined
    })
  }
  const mixed = (some: readonly Settlement[]) => pool.transaction((session) => settleMixed(session, some))
  const answers = await repliesOf(
    rest.map(({ settlement }) => settlement),
    async (some) => succeeded(await mixed(some)),
  )
  rest.forEach(({ i }, at) => (replies[i] = answers[at]!))
  return replies
}

const toSettled = ({ held, number, outcome, isRepeat, endsFailures }: Progress, effect: Affected | null): Settled => ({
  held,
  number,
  outcome,
  // A repeated settlement cannot tell what the first one changed, so it reports a change and lets caches reload.
  endpointChanged: isRepeat === true || endsFailures === true || (effect?.changed ?? false),
  disabled: effect?.disabled ?? null,
})

/**
 * Settles settlements of all kinds, in the order of their keys. Lanes come last: see database.ts about the order of
 * locks.
 */
async function settleMixed(session: Session, settlements: readonly Settlement[]): Promise<Settled[]> {
  const progress = Array<Progress | undefined>(settlements.length).fill(undefined)
  const scheduled = settlements.flatMap((settlement, at) => (settlement.key.run === 0 ? [{ settlement, at }] : []))
  const moved = await moveAll(
    (values) => session.all(MOVE_ONLY, ...values),
    scheduled.map(({ settlement }) => settlement),
  )
  scheduled.forEach(({ at }, n) => (progress[at] = moved[n]))
  for (const [at, settlement] of settlements.entries()) progress[at] ??= await settleAlone(session, settlement)
  const effects = await affectEndpoints(session, settlements)
  const waiting = perLane(progress.flatMap((one) => one?.waiting ?? []))
  const pauses = pausesOf(settlements)
  if (pauses.length > 0) await lockLanesOf(session, [...waiting, ...lanesOfPauses(pauses)])
  if (waiting.length > 0) await addToLanes(session, waiting)
  if (pauses.length > 0) await pauseLanes(session, pauses)
  const settled = progress.map((one, at) => toSettled(one!, effects[at] ?? null))
  // A settlement that is repeated has announced everything the first time.
  const news = settlements.flatMap(({ announce }, at) => {
    const is = { held: settled[at]!.held, disabled: settled[at]!.disabled !== null }
    return progress[at]!.isRepeat === true ? [] : announce.filter(({ when }) => is[when])
  })
  await acceptIn(
    session,
    news.map(({ acceptance }) => acceptance),
  )
  return settled
}

const compareKeys = ({ key: a }: Settlement, { key: b }: Settlement): number =>
  compare(a.appId, b.appId) || compare(a.msgId, b.msgId) || compare(a.endpointId, b.endpointId) || a.run - b.run

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
