import type { Observer } from './events.ts'

/** All events, so that a sink may handle only some of them. The compiler asks for each. */
const EVENTS: Readonly<Record<keyof Observer, true>> = {
  requestServed: true,
  unreadable: true,
  connectionClosed: true,
  connectionsSwept: true,
  accepted: true,
  sourceRequest: true,
  attempted: true,
  deferred: true,
  cancelled: true,
  endpointDisabled: true,
  targetBlocked: true,
  clockPutBack: true,
  swept: true,
  rowsRemoved: true,
  retentionSwept: true,
  storeTrouble: true,
  storeWorks: true,
  committed: true,
  redisCommand: true,
  redisConnected: true,
  serviceFailed: true,
  unexpected: true,
}

type Tell = (event: unknown) => void

/**
 * Makes one observer for several sinks. A sink that throws is reported to `onFailure`; neither the caller nor the other
 * sinks notice. The list of sinks for each event is made once, here.
 */
export function fanOut(
  sinks: readonly Partial<Observer>[],
  onFailure: (event: string, error: unknown) => void = () => {},
): Observer {
  const names = Object.keys(EVENTS) as (keyof Observer)[]
  const told = names.map((name) => {
    const tells = sinks.flatMap((sink) => (sink[name] === undefined ? [] : [sink[name].bind(sink) as Tell]))
    return [name, tellAll(tells, (error) => onFailure(name, error))] as const
  })
  return Object.fromEntries(told) as unknown as Observer
}

function tellAll(tells: readonly Tell[], onFailure: (error: unknown) => void): Tell {
  const failed = (error: unknown) => {
    try {
      onFailure(error)
    } catch {
      // The report of the failure has failed as well; the product goes on.
    }
  }
  return (event) => {
    for (const tell of tells) {
      try {
        tell(event)
      } catch (error) {
        failed(error)
      }
    }
  }
}
