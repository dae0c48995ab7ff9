import type { Handoff } from '../flow/accept.ts'

/**
 * Tells other nodes that a delivery in the store is due. This is a hint: each node also looks by itself now and then.
 */
export interface Doorbell {
  ring(at: number): void
}

/** The handoff of a node that attempts nothing: all deliveries wait in the store, and the attempting nodes are told. */
export const storeOnly = (owner: string, doorbell: Doorbell | null): Handoff => ({
  owner,
  reserve: () => false,
  start: () => {},
  unreserve: () => {},
  doubt: () => {},
  noteDue: (at) => doorbell?.ring(at),
})

/** Tells the other nodes of deliveries for which this node has no room: others may have it. */
export const withDoorbell = (dispatcher: Handoff, doorbell: Doorbell): Handoff => ({
  owner: dispatcher.owner,
  reserve: (endpoint, bytes) => dispatcher.reserve(endpoint, bytes),
  start: (delivery) => dispatcher.start(delivery),
  unreserve: (endpoint, bytes) => dispatcher.unreserve(endpoint, bytes),
  doubt: (leases) => dispatcher.doubt(leases),
  noteDue(at) {
    dispatcher.noteDue(at)
    doorbell.ring(at)
  },
})
