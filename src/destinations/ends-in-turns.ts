/**
 * Attempts that began together time out together. To end one closes its socket, decides, and records the attempt, about
 * a millisecond in all. Hundreds of ends at once would delay all other requests and attempts. So one turn of the event
 * loop ends a few, and the rest wait for the next turns.
 */
const ENDS_PER_TURN = 4

export type InTurns = (end: () => void) => void

/** Runs each `end` once: immediately while this turn has ended few, otherwise in one of the next turns, in order. */
export function endsInTurns(): InTurns {
  const waiting: (() => void)[] = []
  let left = ENDS_PER_TURN
  let isScheduled = false
  const nextTurn = () => {
    isScheduled = false
    left = ENDS_PER_TURN
    for (const end of waiting.splice(0, left)) {
      left--
      end()
    }
    if (waiting.length > 0) schedule()
  }
  const schedule = () => {
    if (isScheduled) return
    isScheduled = true
    setImmediate(nextTurn)
  }
  return (end) => {
    schedule()
    if (left > 0 && waiting.length === 0) {
      left--
      end()
    } else waiting.push(end)
  }
}
