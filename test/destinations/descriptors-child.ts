/** A process of its own that uses up its file descriptors, and then makes attempts. Prints what becomes of them. */
import { closeSync, openSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { DeliveryRequest } from '../../src/destinations/driver.ts'
import { createAddressGuard } from '../../src/destinations/guard.ts'
import { createHttpDriver } from '../../src/destinations/http.ts'
import { createNameResolver } from '../../src/destinations/resolver.ts'
import { createSvixDriver } from '../../src/destinations/svix.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { endpoint, message } from '../conformance/builders.ts'

const server = createServer((_, response) => response.end('ok')).listen(0, '127.0.0.1')
await new Promise((resolve) => server.once('listening', resolve))
const { port } = server.address() as AddressInfo
const clock = systemClock
const resolver = createNameResolver({ clock, servers: ['127.0.0.1:1'] })
const guard = createAddressGuard({ allowedSubnets: ['127.0.0.0/8'], lookup: resolver.lookup })
const http = createHttpDriver({ guard, clock, userAgent: 'test', signatureHeaders: 'both', connectTimeoutMs: 5_000 })
const svix = createSvixDriver({
  token: 'testsk_x',
  serverUrl: `http://127.0.0.1:${port}`,
  app: { id: 'app' },
  clock,
})
const attempt = (url: string): DeliveryRequest => ({
  endpoint: endpoint({ url }),
  message: message({ payload: Buffer.from('{}'), receivedAt: Date.now() }),
  at: Date.now(),
  timeoutMs: 5_000,
})
// What is loaded at first use would need a descriptor, too.
await svix.deliver(attempt(''))
await resolver.lookup('warm.example').catch(() => {})
await new Promise((resolve) => setTimeout(resolve, 50))

const taken: number[] = []
try {
  for (;;) taken.push(openSync('/dev/null', 'r'))
} catch {
  // That was the last one.
}
const address = await http.deliver(attempt(`http://127.0.0.1:${port}/`))
const name = await http.deliver(attempt('http://receiver.example/'))
const toSvix = await createSvixDriver({
  token: 'testsk_x',
  serverUrl: `http://127.0.0.2:${port}`,
  app: { id: 'app' },
  clock,
}).deliver(attempt(''))
for (const descriptor of taken) closeSync(descriptor)
const afterwards = await http.deliver(attempt(`http://127.0.0.1:${port}/`))
process.stdout.write(JSON.stringify({ address, name, svix: toSvix, afterwards }), () => process.exit(0))
