/** The result of one check of the installation. `fail`: a gateway would not start, or would not work. */
export interface Finding {
  /** Name of the check, such as `store`. */
  check: string
  state: 'ok' | 'warn' | 'fail'
  /** One line, without secrets. */
  says: string
  /** Advice for the operator; null when nothing has to be done. */
  advice: string | null
}

export const fine = (check: string, says: string): Finding => ({ check, state: 'ok', says, advice: null })
export const warn = (check: string, says: string, advice: string): Finding => ({ check, state: 'warn', says, advice })
export const fail = (check: string, says: string, advice: string | null = null): Finding => ({
  check,
  state: 'fail',
  says,
  advice,
})

/** Clocks of nodes have to agree to within a few seconds (docs/nodes.md). */
const CLOCK_WARN_MS = 5_000

/** The difference between this machine's clock and another one, both in milliseconds since 1970. */
export function compareClocks(now: number, other: number, whose: string): Finding {
  const apart = Math.abs(now - other)
  const seconds = (apart / 1_000).toFixed(1)
  return apart <= CLOCK_WARN_MS
    ? fine('clock', `${seconds} s from ${whose}`)
    : warn('clock', `${seconds} s from ${whose}`, 'synchronise the clocks: timedatectl set-ntp true')
}
