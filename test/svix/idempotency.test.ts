/** A POST that is repeated under its idempotency key is carried out once, and answered alike each time. */
import { DatabaseSync } from 'node:sqlite'
import { afterAll, describe, expect, test } from 'vitest'
import { type Answer, eventually, send } from '../acceptance/gateway.ts'
import { type Hook, startReceiver } from '../acceptance/receiver.ts'
import { type Caller, newTenant, type Page, startSvixGateway } from './sdk-gateway.ts'

const receiver = await startReceiver()
const gateway = await startSvixGateway()
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

type Tenant = ReturnType<typeof newTenant>

/** What an operation needs before it is called, as of a fresh organization. */
interface World {
  tenant: Tenant
  app: string
  endpoint: string
  msg: string
  hook: Hook
}

async function newWorld(): Promise<World> {
  const tenant = newTenant(gateway)
  const { svix } = tenant
  const hook = receiver.hook(500)
  const app = (await svix.application.create({ name: 'World', uid: 'world' })).id
  const endpoint = (await svix.endpoint.create(app, { url: hook.url, uid: 'ep' })).id
  const msg = (await svix.message.create(app, { eventType: 'first', payload: {} })).id
  await eventually(async () => (await svix.endpoint.getStats(app, endpoint)).fail === 1)
  hook.replies = [200]
  hook.received.length = 0
  return { tenant, app, endpoint, msg, hook }
}

interface Post {
  operation: string
  status: number
  path: (world: World) => string
  json?: unknown
  /** How often it was done, as soon as it is answered. */
  done: (world: World) => Promise<number>
}

const url = 'http://127.0.0.1:9/'
const since = new Date(Date.now() - 60_000).toISOString()
const count = async ({ tenant }: World, path: string) => (await tenant.ask<Page<unknown>>(path)).data.length
const messages = async (world: World) => (await count(world, '/app/world/msg')) - 1
/** Attempts that somebody asked for, waiting or made. */
const manualAttempts = ({ app }: World) => {
  using database = new DatabaseSync(gateway.databasePath, { readOnly: true })
  const statement = database.prepare(
    `SELECT (SELECT count(*) FROM delivery WHERE app_id = :app AND run > 0)
          + (SELECT count(*) FROM attempt WHERE app_id = :app AND manual = 1) AS n`,
  )
  return Promise.resolve(Number(statement.get({ app })?.['n']))
}
/** Signatures of a delivery: one for each secret that is valid. */
const signatures = async ({ tenant, endpoint, app, hook }: World, listener: 'ep' | 'ops') => {
  const before = hook.received.length
  if (listener === 'ep') await tenant.svix.message.create(app, { eventType: 'signed', payload: {} })
  else await tenant.svix.endpoint.patch(app, endpoint, { description: 'told' })
  const [request] = await eventually(() => (hook.received.length > before ? hook.received.slice(before) : null))
  return String(request!.headers['svix-signature']).split(' ').length
}
/** The operational endpoint of a world, which is disturbed by nothing else there. */
const listening = async ({ tenant, hook, app, endpoint }: World) => {
  await tenant.svix.endpoint.patch(app, endpoint, { disabled: true })
  await tenant.svix.operationalWebhook.endpoint.create({ url: hook.url, uid: 'ops' })
}

const POSTS: (Post & { before?: (world: World) => Promise<unknown> })[] = [
  {
    operation: 'application.create',
    status: 201,
    path: () => '/app',
    json: { name: 'Once' },
    done: async (world) => (await count(world, '/app')) - 1,
  },
  {
    operation: 'application.getOrCreate',
    status: 201,
    path: () => '/app?get_if_exists=true',
    json: { name: 'Once', uid: 'once' },
    done: async (world) => (await count(world, '/app')) - 1,
  },
  {
    operation: 'endpoint.create',
    status: 201,
    path: ({ app }) => `/app/${app}/endpoint`,
    json: { url },
    done: async (world) => (await count(world, '/app/world/endpoint')) - 1,
  },
  {
    operation: 'endpoint.rotateSecret',
    status: 204,
    path: () => '/app/world/endpoint/ep/secret/rotate',
    done: async (world) => (await signatures(world, 'ep')) - 1,
  },
  {
    operation: 'endpoint.recover',
    status: 202,
    path: () => '/app/world/endpoint/ep/recover',
    json: { since },
    done: (world) => count(world, '/background-task?task=endpoint.recover'),
  },
  {
    operation: 'endpoint.replayMissing',
    status: 202,
    path: () => '/app/world/endpoint/ep/replay-missing',
    json: { since },
    done: (world) => count(world, '/background-task?task=endpoint.replay'),
  },
  {
    operation: 'endpoint.sendExample',
    status: 200,
    path: () => '/app/world/endpoint/ep/send-example',
    json: { eventType: 'svix.ping' },
    done: messages,
  },
  {
    operation: 'message.create',
    status: 202,
    path: () => '/app/world/msg',
    json: { eventType: 'once', payload: { n: 1 } },
    done: messages,
  },
  {
    operation: 'message.create with an event id and an application of its own',
    status: 202,
    path: () => '/app/fly/msg?with_content=true',
    json: { eventType: 'once', eventId: 'e', payload: { n: 1.0 }, application: { name: 'Fly', uid: 'fly' } },
    done: (world) => count(world, '/app/fly/msg'),
  },
  {
    operation: 'messageAttempt.resend',
    status: 202,
    path: ({ msg }) => `/app/world/msg/${msg}/endpoint/ep/resend`,
    done: manualAttempts,
  },
  {
    operation: 'eventType.create',
    status: 201,
    path: () => '/event-type',
    json: { name: 'once', description: '' },
    done: (world) => count(world, '/event-type'),
  },
  {
    operation: 'authentication.appPortalAccess',
    status: 200,
    path: () => '/auth/app-portal-access/fly',
    json: { application: { name: 'Fly', uid: 'fly' } },
    done: async (world) => (await count(world, '/app')) - 1,
  },
  {
    operation: 'authentication.dashboardAccess',
    status: 200,
    path: () => '/auth/dashboard-access/fly',
    json: { application: { name: 'Fly', uid: 'fly' } },
    done: async (world) => (await count(world, '/app')) - 1,
  },
  {
    operation: 'operationalWebhook.endpoint.create',
    status: 201,
    path: () => '/operational-webhook/endpoint',
    json: { url },
    done: (world) => count(world, '/operational-webhook/endpoint'),
  },
  {
    operation: 'operationalWebhook.endpoint.rotateSecret',
    before: listening,
    status: 204,
    path: () => '/operational-webhook/endpoint/ops/secret/rotate',
    done: async (world) => (await signatures(world, 'ops')) - 1,
  },
]

const post = (caller: Caller, path: string, key: string, json?: unknown) =>
  caller.send(path, { method: 'POST', headers: { 'idempotency-key': key }, ...(json !== undefined && { json }) })
const essence = ({ status, text, headers }: Answer) => [status, text, headers['content-type']]

test('every POST of the API is among those that are tried here', async () => {
  const { paths } = (await send(`${gateway.url}/api/v1/openapi.json`)).json<{ paths: Record<string, object> }>()
  const documented = Object.keys(paths).filter((path) => 'post' in paths[path]!)
  const world: World = { tenant: newTenant(gateway), app: 'world', endpoint: 'ep', msg: 'm', hook: receiver.hook() }
  const tried = new Set(POSTS.map(({ path }) => `/api/v1${path(world).replace(/\?.*/, '')}`))
  const isTried = (path: string) => {
    const pattern = new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`)
    return [...tried].some((one) => pattern.test(one))
  }
  expect(documented.filter((path) => !isTried(path))).toEqual(['/api/v1/auth/logout'])
})

describe.each(POSTS)('$operation', ({ status, path, json, done, before }) => {
  test('is done once and answered alike when it is repeated, also with another body', async () => {
    const world = await newWorld()
    await before?.(world)
    const first = await post(world.tenant, path(world), 'key-1', json)
    expect(first.status).toBe(status)
    for (let n = 0; n < 3; n++)
      expect(essence(await post(world.tenant, path(world), 'key-1', json))).toEqual(essence(first))
    expect(await done(world)).toBe(1)
  })

  test('is done once when many ask for it at the same time', async () => {
    const world = await newWorld()
    await before?.(world)
    const answers = await Promise.all(Array.from({ length: 8 }, () => post(world.tenant, path(world), 'key-1', json)))
    expect(answers.map((answer) => answer.status)).toEqual(answers.map(() => status))
    expect(new Set(answers.map((answer) => answer.text)).size).toBe(1)
    expect(await done(world)).toBe(1)
  })
})
