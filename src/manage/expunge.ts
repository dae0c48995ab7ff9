import type { AppId, MessageId } from '../domain/ids.ts'
import { LIMITS } from '../domain/limits.ts'
import type { Messages } from '../store/port/messages.ts'
import type { ManageContext } from './context.ts'

export interface ExpungeContext extends Pick<ManageContext, 'clock' | 'discard'> {
  store: Pick<Messages, 'expungeMessage' | 'holdersOf'>
  /** This node: `discard` gives up the waiting deliveries of a message in its memory. */
  handoff: { readonly owner: string }
}

const LOOK_EVERY_MS = 50

/**
 * Removes a payload. Once the promise is fulfilled, no attempt with the payload starts any more, at any node; an
 * attempt under way has the payload already. So the function waits until no other node holds a delivery of the message,
 * or until every node must know of the removal. False when there is no such message.
 */
export async function expunge(context: ExpungeContext, appId: AppId, id: MessageId): Promise<boolean> {
  const { store, clock, handoff, discard } = context
  const expunged = await store.expungeMessage(appId, id)
  if (expunged === null) return false
  discard(id)
  const others = (holders: readonly string[]) => holders.filter((holder) => holder !== handoff.owner)
  let left = others(expunged.heldBy).length
  for (let waitedMs = 0; left > 0 && waitedMs < LIMITS.expungedUnseenMs + LOOK_EVERY_MS; waitedMs += LOOK_EVERY_MS) {
    await new Promise<void>((resolve) => clock.after(LOOK_EVERY_MS, resolve))
    // A store that does not answer says nothing, and the time passes all the same.
    left = await store.holdersOf(appId, id).then(
      (holders) => others(holders).length,
      () => left,
    )
  }
  return true
}
