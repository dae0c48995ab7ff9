import type { Attack } from '../attack.ts'
import { closed, connectMany, type Edge, gets, memoryCheck, openEdge, reaches, servesOthers } from './edge-rig.ts'

const CONNECTIONS = 1_000
const GROWTH_MAX_MB = 250
/** Fewer than a connection may have, and than all may have together, so that only time ends them. */
const ALLOWED = 4

export const unread: Attack = {
  about: `${CONNECTIONS} connections that pipeline requests for large answers and read none of them; a heap of 1 GB`,
  async run(settings) {
    const edge = await openEdge(settings, { UNREAD_TIMEOUT: '4s' })
    await ask(edge, '/openapi.json', 2_000)
    await ask(edge, '/api/v1/openapi.json', 2_000)
    const during = await servesOthers(edge)
    const cut = await reaches(edge, closed('pipelined'), (count) => count === 2 * CONNECTIONS)
    await ask(edge, '/docs/static/swagger-ui-bundle.js', 60)
    await reaches(edge, 'hookferry_connections', (count) => count < 5)
    await ask(edge, '/docs/static/swagger-ui-bundle.js', ALLOWED)
    return [
      cut,
      during,
      await servesOthers(edge),
      await reaches(edge, closed('unread'), (count) => count >= CONNECTIONS),
      await reaches(edge, 'hookferry_connections', (count) => count < 5),
      memoryCheck(edge, GROWTH_MAX_MB),
    ]
  },
}

async function ask(edge: Edge, path: string, count: number): Promise<void> {
  const sockets = await connectMany(edge, CONNECTIONS)
  await Promise.all(
    sockets.map((socket) => new Promise<void>((resolve) => socket.write(gets(path, count), () => resolve()))),
  )
}
