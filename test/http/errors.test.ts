import fastify from 'fastify'
import { expect, test } from 'vitest'
import { type ErrorCode, GatewayError, OutcomeUnknown } from '../../src/domain/errors.ts'
import { useErrors } from '../../src/http/errors.ts'
import { fanOut } from '../../src/telemetry/fan-out.ts'

async function detailOf(method: 'GET' | 'POST', error: Error): Promise<string> {
  const app = fastify()
  useErrors(app, fanOut([]))
  app.route({
    method,
    url: '/',
    handler: () => {
      throw error
    },
  })
  const answer = await app.inject({ method, url: '/' })
  await app.close()
  expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '1'])
  return answer.json<{ detail: string }>().detail
}

test.each<ErrorCode>(['store_unavailable', 'overloaded', 'shutting_down'])(
  '%s says that nothing was accepted to a request that writes, and not to one that reads',
  async (code) => {
    expect(await detailOf('POST', new GatewayError(code))).toContain('nothing was accepted')
    const read = await detailOf('GET', new GatewayError(code))
    expect(read).not.toContain('accepted')
    expect(read).toContain('Try again.')
  },
)

test('a refusal with a detail of its own keeps it, whatever was asked', async () => {
  for (const method of ['GET', 'POST'] as const)
    expect(await detailOf(method, new OutcomeUnknown('The store ended'))).toContain('the outcome is unknown')
})
