/** Prepares outgoing attempts: name resolution, forbidden addresses, and a driver for each kind of destination. */
import type { Driver } from '../destinations/driver.ts'
import { type AddressGuard, createAddressGuard } from '../destinations/guard.ts'
import { createHttpDriver } from '../destinations/http.ts'
import { proxyFrom, type ProxySettings } from '../destinations/proxy-url.ts'
import { createNameResolver, type NameResolver } from '../destinations/resolver.ts'
import { VERSION } from '../lib/version.ts'
import type { Ground } from './ground.ts'

export interface Drivers extends AsyncDisposable {
  guard: AddressGuard
  resolver: NameResolver
  drivers: ReadonlyMap<string, Driver>
}

export async function openDrivers(ground: Ground): Promise<Drivers> {
  const { config, secrets, clock, observer } = ground
  await using stack = new AsyncDisposableStack()
  const resolver = stack.use(createNameResolver({ clock, servers: config.dnsServers }))
  const guard = createAddressGuard({
    allowedSubnets: config.allowedSubnets,
    httpsOnly: config.httpsOnly,
    lookup: resolver.lookup,
    onBlocked: (blocked) => observer.targetBlocked(blocked),
  })
  const way: WayOut = { guard, proxy: proxyFrom(secrets.proxyUrl?.reveal() ?? null, config.proxyExceptions) }
  const drivers = new Map<string, Driver>()
  for (const open of DESTINATIONS) {
    const driver = await open(ground, way)
    if (driver !== null) drivers.set(driver.kind, stack.use(driver))
  }
  const owned = stack.move()
  return { guard, resolver, drivers, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** The parts that all destinations share on their way to the network. */
interface WayOut {
  guard: AddressGuard
  proxy: ProxySettings | null
}

/** Opens a driver with what the configuration says of it; null where it says nothing. */
type OpenDestination = (ground: Ground, way: WayOut) => Driver | null | Promise<Driver | null>

const openHttp: OpenDestination = ({ config, clock }, { guard, proxy }) =>
  createHttpDriver({
    guard,
    proxy,
    clock,
    verifyTls: config.verifyTls,
    userAgent: `Hookferry/${VERSION}`,
    signatureHeaders: config.signatureHeaders,
    connectTimeoutMs: config.deliveryTimeoutMs,
  })

const openSvix: OpenDestination = async ({ config, secrets, clock }, { proxy }) => {
  if (config.svix === null || secrets.svixToken === null) return null
  // The SDK of Svix is loaded only when the gateway uses Svix.
  const { createSvixDriver } = await import('../destinations/svix.ts')
  return createSvixDriver({ ...config.svix, token: secrets.svixToken.reveal(), clock, proxy })
}

/** The kinds of destinations that there are. */
const DESTINATIONS: readonly OpenDestination[] = [openHttp, openSvix]
