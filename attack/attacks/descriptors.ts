import type { Attack } from '../attack.ts'
import { connectMany, gets, memoryCheck, openEdge, openFiles, servesOthers } from './edge-rig.ts'

const CONNECTIONS = 21
const GROWTH_MAX_MB = 150
/** Of the attacker's own connections, and of whoever asks meanwhile. */
const FILES_MAX = 2 * CONNECTIONS + 10
const FILES = ['swagger-ui-bundle.js', 'swagger-ui.css', 'swagger-ui-standalone-preset.js']

export const descriptors: Attack = {
  about: `${CONNECTIONS} connections that ask for the files of /docs 1,000 times, and as many that ask 60 times; nobody reads`,
  async run(settings) {
    const edge = await openEdge(settings)
    const before = openFiles(edge.pid)
    let most = before
    const watch = setInterval(() => (most = Math.max(most, openFiles(edge.pid))), 5)
    try {
      for (const count of [1_000, 60])
        for (const [index, socket] of (await connectMany(edge, CONNECTIONS)).entries())
          socket.write(gets(`/docs/static/${FILES[index % FILES.length]}`, count))
      const checks = [await servesOthers(edge), await servesOthers(edge), memoryCheck(edge, GROWTH_MAX_MB)]
      const more = most - before
      return [...checks, { what: `${more} more files were open (bound: ${FILES_MAX})`, holds: more <= FILES_MAX }]
    } finally {
      clearInterval(watch)
    }
  },
}
