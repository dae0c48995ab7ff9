/** What `/docs` fills in: whoever presses Execute without a change has to see something happen. */
import { afterAll, expect, test } from 'vitest'
import { startReceiver } from '../acceptance/receiver.ts'
import { startSvixGateway } from '../svix/svix-gateway.ts'
import { documentOf, type Operation, operationsOf, PATHS, withoutReferences } from './documents.ts'

const { gateway, org, ...gate } = await startSvixGateway()
const receiver = await startReceiver()
const hook = receiver.hook()
afterAll(async () => {
  await gate[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})
const document = withoutReferences(await documentOf(gateway, PATHS.plain))
const operations = operationsOf(document)

const exampleOf = ({ requestBody }: Operation): unknown =>
  Object.values(requestBody?.content ?? {})[0]?.schema.example ??
  Object.values(requestBody?.content ?? {})[0]?.schema.anyOf?.[0]?.example

function of(id: string): Operation {
  return operations.find(({ operation }) => operation.operationId === id)!.operation
}

test('every body has an example, or examples of its members', () => {
  const without = operations.filter(
    ({ operation }) => operation.requestBody !== undefined && exampleOf(operation) === undefined,
  )
  expect(without.map(({ operation }) => operation.operationId).toSorted()).toEqual([
    // Its members have examples.
    'receiveMessage',
    // There is nothing that could be filled in, or a time in the past fourteen days.
    'recoverSubscription',
    'v1.endpoint.patch-headers',
    'v1.endpoint.recover',
    'v1.endpoint.replay-missing',
    'v1.endpoint.rotate-secret',
    'v1.endpoint.update-headers',
    'v1.operational-webhook.endpoint.patch-headers',
    'v1.operational-webhook.endpoint.rotate-secret',
    'v1.operational-webhook.endpoint.update-headers',
  ])
})

test('a subscription and an event as they are filled in make a delivery', async () => {
  const given = exampleOf(of('createSubscription')) as { target_url: string }
  const created = await gateway.send('/subscriptions', { json: given })
  expect([created.status, created.json()]).toMatchObject([201, { ...given, has_secret: false, retry_schedule: null }])
  const { id } = created.json<{ id: string }>()
  await gateway.send(`/subscriptions/${id}`, { method: 'PATCH', json: { target_url: hook.url } })
  const ingest = of('ingestToSubscription')
  const eventType = ingest.parameters?.find(({ name }) => name === 'event_type')?.schema.example
  const accepted = await gateway.send(`/ingest/${id}?event_type=${String(eventType)}`, { json: exampleOf(ingest) })
  expect([accepted.status, accepted.json()]).toMatchObject([202, { status: 'queued', deliveries: 1 }])
  await gateway.messageWhen(accepted.json<{ id: string }>().id, 'delivered')
  const changed = await gateway.send(`/subscriptions/${id}`, {
    method: 'PATCH',
    json: exampleOf(of('updateSubscription')),
  })
  expect(changed.status).toBe(200)
})

test('what is filled in for the Svix API is taken, from the application to the message', async () => {
  const post = (path: string, id: string) => org.call(`POST ${path}`, { json: exampleOf(of(id)) })
  const app = await post('/app', 'v1.application.create')
  const path = `/app/${app.json().id}`
  const eventType = await post('/event-type', 'v1.event-type.create')
  const endpoint = await post(`${path}/endpoint`, 'v1.endpoint.create')
  await org.ask(`PATCH ${path}/endpoint/${endpoint.json().id}`, { url: hook.url })
  const message = await post(`${path}/msg`, 'v1.message.create')
  const example = await post(`${path}/endpoint/${endpoint.json().id}/send-example`, 'v1.endpoint.send-example')
  const access = await post(`/auth/app-portal-access/${app.json().id}`, 'v1.authentication.app-portal-access')
  const statuses = [app, eventType, endpoint, message, example, access].map(({ status }) => status)
  expect(statuses).toEqual([201, 201, 201, 202, 200, 200])
})
