// A gateway whose inbox is used: nobody subscribes, so nothing is delivered.

import { join } from 'node:path'
import { SECRET } from './api.ts'
import type { InboxFill, InboxFillHandlers } from './fill-inbox.ts'
import type { GeneratorHandlers } from './generator.ts'
import { type Gateway, type Peer, startGateway, startPeer } from './processes.ts'
import type { Settings } from './session.ts'

/** One in four messages is the one before it once more. */
export const REPEAT_EVERY = 4

/** Starts the gateway on a file of its own, with `rows` messages in it. */
export async function openInbox(settings: Settings, databaseName: string, rows: number): Promise<Gateway> {
  const databaseFile = join(settings.folder, databaseName)
  const start = () => startGateway({ ...settings, databaseUrl: `sqlite:${databaseFile}`, webhookSecret: SECRET })
  const gateway = await start()
  if (rows === 0) return gateway
  await gateway[Symbol.asyncDispose]()
  await using filler = startPeer<InboxFillHandlers>('fill-inbox')
  await filler.ask('fill', { databaseFile, rows } satisfies InboxFill)
  return start()
}

/** A generator that posts messages, some of them twice. */
export async function connectInbox(
  gateway: Gateway,
  connections: number,
  capacity: number,
): Promise<Peer<GeneratorHandlers>> {
  const generator = startPeer<GeneratorHandlers>('generator')
  await generator.ask('connect', {
    port: gateway.port,
    path: '/webhook',
    secret: SECRET,
    connections,
    capacity,
    kind: 'message',
    repeatEvery: REPEAT_EVERY,
  })
  return generator
}
