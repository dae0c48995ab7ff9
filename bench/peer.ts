// Generator, receiver, ceiling and lister are processes of their own, so that none of them takes time from another's event
// loop. Each answers a handful of questions over Node's IPC channel, which carries typed arrays as they are; this file is
// the side of those processes. They stop with their parent, however that ends.

import type { Server } from 'node:net'

export type Handlers = Record<string, (argument: never) => unknown>

/** `argument` is whatever the handler of that name takes: `Peer.ask` checks it at the other end. */
interface Question {
  ask: string
  argument: never
}

export type Answer<T> = { value: T } | { error: string }

export function servePeer(handlers: Handlers): void {
  const answer = async ({ ask, argument }: Question): Promise<Answer<unknown>> => {
    try {
      return { value: await handlers[ask]?.(argument) }
    } catch (error) {
      return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
    }
  }
  process.on('message', (question: Question) => void answer(question).then((reply) => process.send?.(reply)))
  process.on('disconnect', () => process.exit(0))
}

/** Opens any free port of the loopback interface and tells which. */
export async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port')
  return address.port
}
