/**
 * A process with a store, told over IPC what to do. `node store-child.ts <path> [<bytes of a file that takes up space>]`
 */
import { rmSync, writeFileSync } from 'node:fs'
import { GatewayError } from '../../src/domain/errors.ts'
import type { EndpointId, MessageId } from '../../src/domain/ids.ts'
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import type { Acceptance } from '../../src/store/port/accept.ts'
import { acceptance, APP, HOUR } from '../conformance/builders.ts'

export const DEAD = 'node_dead'
export const HELD: EndpointId = 'ep_0000000000000000000000held'
export const WAITING: EndpointId = 'ep_0000000000000000000waiting'

export type ToChild =
  /** Accept events from `first` on, `atOnce` at a time, and never stop. */
  | { do: 'storm'; first: number; atOnce: number }
  /** Accept `count` messages of `bytes` each, all at once. */
  | { do: 'accept'; count: number; bytes: number }
  | { do: 'exists'; id: MessageId }
  | { do: 'free' }

export type FromChild =
  | { is: 'open' }
  | { is: 'failed'; message: string }
  | { is: 'acknowledged'; event: number }
  | { is: 'accepted'; ids: MessageId[]; refused: { id: MessageId; code: string }[] }
  | { is: 'exists'; exists: boolean }
  | { is: 'free' }

/** An event of the storm: one delivery that its node holds, one that waits, and a payload that tells which it is. */
export function stormEvent(event: number): Acceptance {
  const now = Date.now()
  const accepted = acceptance([HELD, WAITING], {
    eventId: `event ${event}`,
    idempotency: { scope: 'storm', key: `key ${event}`, expiresAt: now + HOUR },
    payload: Buffer.from(`payload ${event} `.repeat(50)),
    receivedAt: now,
    dueAt: now,
  })
  accepted.deliveries[0]!.lease = { owner: DEAD, until: now + HOUR }
  return accepted
}

const report = (message: FromChild) => process.send?.(message)

async function main(path: string, fillerBytes: number): Promise<void> {
  const filler = `${path}.filler`
  if (fillerBytes > 0) writeFileSync(filler, new Uint8Array(fillerBytes))
  const store = await openSqliteStore({ path })

  async function storm(event: number, step: number): Promise<void> {
    for (; ; event += step) {
      await store.accept([stormEvent(event)])
      report({ is: 'acknowledged', event })
    }
  }

  async function accept(count: number, bytes: number): Promise<void> {
    const ids: MessageId[] = []
    const refused: { id: MessageId; code: string }[] = []
    await Promise.all(
      Array.from({ length: count }, async () => {
        const accepted = acceptance([WAITING], { payload: new Uint8Array(bytes).fill(7) })
        const { id } = accepted.message
        try {
          await store.accept([accepted])
          ids.push(id)
        } catch (error) {
          refused.push({ id, code: error instanceof GatewayError ? error.code : String(error) })
        }
      }),
    )
    report({ is: 'accepted', ids, refused })
  }

  async function obey(command: ToChild): Promise<void> {
    switch (command.do) {
      case 'storm':
        for (let i = 0; i < command.atOnce; i++) void storm(command.first + i, command.atOnce)
        return
      case 'accept':
        return accept(command.count, command.bytes)
      case 'exists':
        report({ is: 'exists', exists: (await store.getMessage(APP, command.id)) !== null })
        return
      case 'free':
        rmSync(filler)
        report({ is: 'free' })
        return
      default:
        return command satisfies never
    }
  }
  process.on('message', (command) => void obey(command as ToChild))
  report({ is: 'open' })
}

if (import.meta.main) {
  const [path, fillerBytes = '0'] = process.argv.slice(2)
  main(path!, Number(fillerBytes)).catch((error: unknown) => {
    report({ is: 'failed', message: error instanceof Error ? error.message : String(error) })
  })
}
