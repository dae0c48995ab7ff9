/** What there is to tell of names and of what this node itself lacks, for the metrics and the log. */
import { Counter, Gauge, type Registry } from 'prom-client'
import type { BlockedName } from '../destinations/guard.ts'
import type { Logger } from '../lib/log.ts'

/** The resolver counts by itself; it is asked at scrape time. */
export function observeLookups(
  registry: Registry,
  counts: () => { readonly underWay: number; readonly ended: Readonly<Record<string, number>> },
): void {
  const inFlight = new Gauge({
    name: 'hookferry_dns_lookups_in_flight',
    help: 'Host names of targets that are being looked up in DNS',
    registers: [],
    collect() {
      this.set(counts().underWay)
    },
  })
  const ended = new Counter({
    name: 'hookferry_dns_lookups_total',
    help: 'Host names of targets looked up in DNS, by how that ended; busy: too many at once',
    labelNames: ['result'] as const,
    registers: [],
    collect() {
      this.reset()
      for (const [result, count] of Object.entries(counts().ended)) this.inc({ result }, count)
    },
  })
  registry.registerMetric(inFlight)
  registry.registerMetric(ended)
}

/** The address behind a name is for the operator: whoever chose the name is only told that it is not a public one. */
export const createBlockedLog =
  (log: Logger) =>
  ({ host, why }: BlockedName): void =>
    log.warn({ host, why }, 'a target was blocked')

const LINE_EVERY_MS = 10_000

/** A node that lacks something lacks it for every attempt: one line in a while, with how many there were since the last. */
export function createLackLog(log: Logger): (lacked: { driver: string; until: number; error: string }) => void {
  let loggedAt = -Infinity
  let attempts = 0
  return ({ driver, until, error }) => {
    attempts++
    if (until >= loggedAt && until - loggedAt < LINE_EVERY_MS) return
    log.error({ destination: driver, error, attempts }, 'this node lacks the means for attempts, which are put off')
    loggedAt = until
    attempts = 0
  }
}
