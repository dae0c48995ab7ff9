/**
 * What ends loops. Every delivery says how many deliveries of Hookferry lie behind its event, itself included; a door takes
 * the event only up to a number, and the message remembers it for its own deliveries.
 */
export const HOPS_HEADER = 'hookferry-hops'

/** The number in a header's value, 0 where there is none; null when it is not a whole number. */
export function parseHops(value: string | undefined): number | null {
  if (value === undefined) return 0
  return /^\d+$/.test(value) ? Number(value) : null
}
