// What the demo's subscriptions point to: one receiver that is well, one that fails now and then, one that is down until
// somebody repairs it. It keeps counts only.

import { createServer, type Server } from 'node:http'
import { listen } from '../bench/peer.ts'

/** Every third request fails. */
const FLAKY_FAILS_EVERY = 3

export interface DemoReceiver extends Disposable {
  /** Such as `http://127.0.0.1:40123`. */
  readonly url: string
  /** Deliveries that arrived, and how many of them were answered 2xx. */
  readonly seen: { readonly requests: number; readonly accepted: number }
}

export async function startReceiver(): Promise<DemoReceiver> {
  const seen = { requests: 0, accepted: 0 }
  let flaky = 0
  let isRepaired = false
  const statusOf = (path: string | undefined): number => {
    if (path === '/well') return 204
    if (path === '/flaky') return ++flaky % FLAKY_FAILS_EVERY === 0 ? 500 : 204
    if (path === '/down') return isRepaired ? 204 : 500
    return 404
  }
  const server: Server = createServer((request, response) => {
    request.resume()
    if (request.method === 'POST' && request.url === '/repair') {
      isRepaired = true
      response.end('repaired: what waits is delivered when its next attempt is due\n')
      return
    }
    const status = statusOf(request.url)
    seen.requests++
    if (status < 300) seen.accepted++
    response.writeHead(status).end()
  })
  const url = `http://127.0.0.1:${await listen(server)}`
  return {
    url,
    seen,
    [Symbol.dispose]() {
      server.close()
      server.closeAllConnections()
    },
  }
}
