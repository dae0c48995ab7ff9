/** The composition root: the gateway as a list of its parts, each of which opens itself and closes what it opened. */
import type { AddressInfo } from 'node:net'
import { type AppOptions, layGround } from './app/ground.ts'
import { openHttp } from './app/http.ts'
import { openNodes } from './app/nodes.ts'
import { openOutbound } from './app/outbound.ts'
import { openStore } from './app/store.ts'
import type { Server } from './http/context.ts'

export interface App extends AsyncDisposable {
  server: Server
  /** Starts to listen; resolves with the address, such as `http://127.0.0.1:8000`. */
  listen(): Promise<string>
  /** From now on it is not ready, and answers close their connections; everything is still served. */
  announceEnd(): void
}

/** Opens everything; what fails half-way closes what is open. Disposing drains: requests and attempts end, then the store closes. */
export async function buildApp(options: AppOptions): Promise<App> {
  await using stack = new AsyncDisposableStack()
  const ground = layGround(options)
  const store = stack.use(await openStore(ground))
  const nodes = stack.use(await openNodes(ground, store))
  const outbound = stack.use(await openOutbound(ground, store, nodes))
  const { server } = stack.use(await openHttp(ground, { store, nodes, outbound }))

  const owned = stack.move()
  const { config, end } = ground
  return {
    server,
    async listen() {
      await server.listen({ host: config.host, port: config.port })
      const { address, family, port } = server.server.address() as AddressInfo
      return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
    },
    announceEnd: () => end.announce(),
    async [Symbol.asyncDispose]() {
      end.begin()
      await owned.disposeAsync()
    },
  }
}
