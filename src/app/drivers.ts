/** How attempts leave this machine: names, forbidden addresses, and a driver for each kind of destination. */
import type { Driver } from '../destinations/driver.ts'
import { type AddressGuard, createAddressGuard } from '../destinations/guard.ts'
import { createHttpDriver } from '../destinations/http.ts'
import { proxyFrom } from '../destinations/proxy-url.ts'
import { createNameResolver, type NameResolver } from '../destinations/resolver.ts'
import type { SvixDriverOptions } from '../destinations/svix.ts'
import type { Endpoint } from '../domain/endpoint.ts'
import { VERSION } from '../lib/version.ts'
import type { Ground } from './ground.ts'

export interface Drivers extends AsyncDisposable {
  guard: AddressGuard
  resolver: NameResolver
  drivers: Readonly<Record<Endpoint['driver'], Driver | null>>
}

export async function openDrivers({ config, secrets, clock, observer }: Ground): Promise<Drivers> {
  await using stack = new AsyncDisposableStack()
  const resolver = stack.use(createNameResolver({ clock, servers: config.dnsServers }))
  const guard = createAddressGuard({
    allowedSubnets: config.allowedSubnets,
    httpsOnly: config.httpsOnly,
    lookup: resolver.lookup,
    onBlocked: (blocked) => observer.targetBlocked(blocked),
  })
  const proxy = proxyFrom(secrets.proxyUrl?.reveal() ?? null, config.proxyExceptions)
  const http = createHttpDriver({
    guard,
    proxy,
    clock,
    verifyTls: config.verifyTls,
    userAgent: `Hookferry/${VERSION}`,
    signatureHeaders: config.signatureHeaders,
    connectTimeoutMs: config.deliveryTimeoutMs,
  })
  stack.use(http)
  const isSvixConfigured = config.svix !== null && secrets.svixToken !== null
  const svix = isSvixConfigured
    ? stack.use(await openSvixDriver({ ...config.svix!, token: secrets.svixToken!.reveal(), clock, proxy }))
    : null
  const owned = stack.move()
  return { guard, resolver, drivers: { http, svix }, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** A gateway that does not use Svix need not wait for its SDK to be loaded. */
async function openSvixDriver(options: SvixDriverOptions): Promise<Driver> {
  const { createSvixDriver } = await import('../destinations/svix.ts')
  return createSvixDriver(options)
}
