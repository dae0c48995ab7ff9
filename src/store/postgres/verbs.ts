/** The verbs of the store. Each waits for its turn at its gate, and then runs on connections of its kind. */
import type { Encryption } from '../../domain/encryption.ts'
import { encryptedVerbs } from '../endpoint-codec.ts'
import type { Store } from '../store.ts'
import { type ArgumentsOf, type Gate, type ResultOf, type Verb, VERBS, type VerbsOf, verbsOf } from '../verbs.ts'
import * as answers from './answers.ts'
import * as applications from './applications.ts'
import * as attempts from './attempts.ts'
import * as claim from './claim.ts'
import * as clockStep from './clock-step.ts'
import type { Pool } from './database.ts'
import * as deliveryList from './delivery-list.ts'
import * as endpointLog from './endpoint-log.ts'
import * as endpoints from './endpoints.ts'
import * as eventTypes from './event-types.ts'
import * as expunge from './expunge.ts'
import type { Gates } from './gates.ts'
import * as hold from './hold.ts'
import * as inbox from './inbox.ts'
import * as leases from './leases.ts'
import * as lists from './lists.ts'
import * as manual from './manual.ts'
import * as messages from './messages.ts'
import type { Writer } from './once.ts'
import * as operations from './operations.ts'
import type { Partitions } from './partitions.ts'
import { READS } from './reads.ts'
import * as retention from './retention.ts'
import * as sources from './sources.ts'
import * as tasks from './tasks.ts'

/** The connections and gates on which the verbs run. */
export interface Parts {
  encryption: Encryption
  writes: Pool
  points: Pool
  /** For walks of an index for one page, whatever the statistics of the tables say. */
  lists: Pool
  /** For reads of whole tables. */
  searches: Pool
  partitions: Partitions
  gates: Gates
}

/** The context of the verbs that write, and the state that some of them leave to the next call. */
interface WriteContext extends Writer {
  points: Pool
  memory: { claims: claim.ClaimMemory } & leases.SweepMemory & retention.PruneMemory
}

/** The gates that run many calls at once by themselves. */
type Batched = VerbsOf<'accept' | 'settle'>
type ContextOf<V extends Verb> = (typeof VERBS)[V] extends 'write' ? WriteContext : Pool
type Operations = {
  [V in Exclude<Verb, Batched>]: (on: ContextOf<V>, ...args: ArgumentsOf<V>) => Promise<ResultOf<V>>
}

/** Each file has the functions of some verbs, under the verbs' names. */
const OPERATIONS: Operations = {
  ...answers,
  ...applications,
  ...attempts,
  ...claim,
  ...clockStep,
  ...deliveryList,
  ...endpointLog,
  ...endpoints,
  ...eventTypes,
  ...expunge,
  ...hold,
  ...inbox,
  ...leases,
  ...lists,
  ...manual,
  ...messages,
  ...operations,
  ...READS,
  ...retention,
  ...sources,
  ...tasks,
}

export function verbs({ encryption, writes, points, lists, searches, partitions, gates }: Parts): Omit<Store, symbol> {
  const memory = { claims: new claim.ClaimMemory(), sweptUpTo: null, prunedUpTo: null }
  const contexts: Record<Exclude<Gate, Batched>, WriteContext | Pool> = {
    write: { pool: writes, points, partitions, memory },
    point: points,
    list: lists,
    count: searches,
    search: searches,
  }
  const plain = verbsOf((verb, args) => {
    const gate = VERBS[verb]
    if (gate === 'accept' || gate === 'settle') return gates[gate](args[0] as never)
    const operation = OPERATIONS[verb as keyof Operations] as (on: unknown, ...rest: unknown[]) => Promise<unknown>
    return gates[gate](() => operation(contexts[gate], ...args))
  })
  return {
    ...plain,
    ...encryptedVerbs(encryption, plain),
    // Without a text to look for, the list is a page of an index.
    listInbox: (query) =>
      query.q === null ? gates.list(() => inbox.listInbox(searches, query)) : plain.listInbox(query),
    waiting: () => gates.waiting(),
  }
}
