import type { Socket } from 'node:net'
import type { Attack, Check } from '../attack.ts'
import { closedBecause, connectMany, type Edge, memoryCheck, openEdge, reaches, servesOthers } from './edge-rig.ts'

const CONNECTIONS = 300
const BODY_BYTES = 1_048_576
/** The bound is 64 MB; growing a body takes a copy for a moment, and what was freed is not given back at once. */
const GROWTH_MAX_MB = 200
const HONEST = 20

export const bodies: Attack = {
  about: `${CONNECTIONS} bodies of 1 MB that lack their last byte, and honest ones among them`,
  async run(settings) {
    const edge = await openEdge(settings)
    const sockets = await connectMany(edge, CONNECTIONS)
    const sending = Promise.all(sockets.map(sendAlmostAll))
    const honest = await sendHonest(edge)
    await sending
    const bytes = await reaches(edge, 'hookferry_body_bytes_in_progress', (value) => value <= 64 * BODY_BYTES)
    const refused = await closedBecause(edge, 'too_many_bodies')
    const checks = [
      honest,
      bytes,
      { what: `${refused} bodies were refused`, holds: refused >= CONNECTIONS - 64 - HONEST },
      await servesOthers(edge),
      memoryCheck(edge, GROWTH_MAX_MB),
    ]
    for (const socket of sockets) socket.destroy()
    return [...checks, await reaches(edge, 'hookferry_body_bytes_in_progress', (value) => value === 0)]
  },
}

function sendAlmostAll(socket: Socket): Promise<void> {
  const head = `POST /webhook HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${BODY_BYTES}\r\n\r\n`
  return new Promise((resolve) => {
    socket.once('close', () => resolve())
    socket.write(head + 'x'.repeat(BODY_BYTES - 1), () => resolve())
  })
}

async function sendHonest(edge: Edge): Promise<Check> {
  let taken = 0
  for (let count = 0; count < HONEST; count++) {
    const body = JSON.stringify({ text: 'y'.repeat(BODY_BYTES / 2) })
    const answer = await fetch(`${edge.url}/ingest?event_type=honest`, { method: 'POST', body }).catch(() => null)
    if (answer?.status === 202) taken++
  }
  return { what: `${taken} of ${HONEST} honest bodies of 512 KB were taken meanwhile`, holds: taken === HONEST }
}
