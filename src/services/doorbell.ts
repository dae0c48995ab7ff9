import type { Handoff } from '../flow/accept.ts'

/** Tells other nodes that something is due in the store. A hint: they look by themselves every now and then. */
export interface Doorbell {
  ring(at: number): void
}

/** For a node that attempts nothing: all deliveries wait in the store, and those who attempt them are told. */
export const storeOnly = (owner: string, doorbell: Doorbell | null): Handoff => ({
  owner,
  reserve: () => false,
  start: () => {},
  unreserve: () => {},
  doubt: () => {},
  noteDue: (at) => doorbell?.ring(at),
})

/** What this node has no room for, others may have. */
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
