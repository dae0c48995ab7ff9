import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { DEFAULT_APP, DEFAULT_ORG } from '../../src/domain/application.ts'
import { sign, startSvixGateway } from './svix-gateway.ts'

test('a message that is no JSON is listed as what is known of it, and its bytes stay what they are', async () => {
  await using started = await startSvixGateway()
  const { gateway } = started
  await gateway.ask('/sources', {
    json: { name: 'shop', provider: 'generic', scheme: [{ header: 'X-Mac' }], secrets: [{ secret: 's' }] },
  })
  const body = 'not "JSON"'
  const headers = { 'x-mac': createHmac('sha256', 's').update(body).digest('hex'), 'content-type': 'text/plain' }
  expect((await gateway.send('/in/shop', { method: 'POST', body, headers })).status).toBe(200)
  const authorization = `Bearer ${await sign({ sub: DEFAULT_ORG })}`
  const list = await gateway.send(`/api/v1/app/${DEFAULT_APP}/msg`, { headers: { authorization } })
  const [message] = list.json<{ data: { id: string; payload: unknown }[] }>().data
  expect(message!.payload).toEqual({ contentType: 'text/plain', bytes: body.length })
  expect((await gateway.send(`/deliveries/${message!.id}/payload`)).text).toBe(body)
})
