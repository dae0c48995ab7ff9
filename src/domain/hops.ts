/**
 * Ends loops between gateways. Every delivery carries the number of Hookferry deliveries that its event has been
 * through, itself included. A door takes an event only up to a limit, and the message keeps the number for its own
 * deliveries.
 */
export const HOPS_HEADER = 'hookferry-hops'

/** The number in a header's value; 0 when there is no header; null when the value is not a whole number. */
export function parseHops(value: string | undefined): number | null {
  if (value === undefined) return 0
  return /^\d+$/.test(value) ? Number(value) : null
}
