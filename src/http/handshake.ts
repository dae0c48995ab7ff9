/**
 * Answers the question of a CloudEvents sender whether it may send events here (https://github.com/cloudevents/spec,
 * http-webhook.md 4, "Abuse protection"). The answer is yes for every sender: strangers are kept out by the key or the
 * secret that each event has to carry. `WebHook-Request-Callback` is not called, because that would send requests to
 * any address that a stranger names.
 */
import { GatewayError } from '../domain/errors.ts'
import type { Server } from './context.ts'

/** A DNS name, which the answer repeats. */
const ORIGIN = /^[a-z0-9.-]{1,253}$/i

export function answerHandshakes(app: Server, url: string): void {
  app.options(url, { config: { management: false }, schema: { hide: true } }, async (request, reply) => {
    const origin = request.headers['webhook-request-origin']
    void reply.header('allow', 'POST, OPTIONS')
    if (typeof origin !== 'string' || !ORIGIN.test(origin)) throw new GatewayError('method_not_allowed')
    return reply.code(200).header('webhook-allowed-origin', origin).header('webhook-allowed-rate', '*').send()
  })
}
