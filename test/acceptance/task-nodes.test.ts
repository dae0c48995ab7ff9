/** Tasks that one node is asked for and another one does. No node looks for tasks by itself here: they have to be told. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LIMITS } from '../../src/domain/limits.ts'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { missingPostgres, type PostgresServer, startPostgres } from '../postgres-server.ts'
import { missingRedis, type RedisServer, startRedis } from '../redis-server.ts'
import { Caller, JWT_SECRET, newOrg, orgToken } from '../svix/sdk-gateway.ts'
import { type Client, type Gateway, soon, startGateway } from './gateway.ts'
import { type Receiver, startReceiver } from './receiver.ts'

/** As long as this is what nodes wait for between two looks, they never look again. */
const withoutPoll: Clock = {
  ...systemClock,
  after: (ms, fn) => (ms === LIMITS.taskPollMs ? { cancel: () => {} } : systemClock.after(ms, fn)),
}

describe.skipIf(missingPostgres() !== null || missingRedis() !== null).each(['no Redis', 'a Redis'])(
  'an api and a worker node with %s',
  (which) => {
    let receiver: Receiver
    let postgres: PostgresServer
    let redis: RedisServer | null = null
    let worker: Gateway
    let api: Client & Gateway

    beforeAll(async () => {
      ;[postgres, receiver] = await Promise.all([startPostgres({ fsync: 'on' }), startReceiver()])
      if (which === 'a Redis') redis = await startRedis()
      const shared = {
        DATABASE_URL: await postgres.createDatabase(),
        ...(redis !== null && { REDIS_URL: redis.url }),
        JWT_SECRET,
        RETRY_SCHEDULE: '',
        API_KEY: 'a key of the management routes',
        HOST: '127.0.0.1',
      }
      worker = await startGateway({ ...shared, ROLE: 'worker' }, undefined, { clock: withoutPoll })
      api = await startGateway({ ...shared, ROLE: 'api' })
    })
    afterAll(async () => {
      await api?.[Symbol.asyncDispose]()
      await worker?.[Symbol.asyncDispose]()
      await redis?.[Symbol.asyncDispose]()
      await Promise.all([receiver?.[Symbol.asyncDispose](), postgres?.[Symbol.asyncDispose]()])
    })

    test('what is asked of the one is begun by the other without its looking for it', async () => {
      const { svix } = new Caller(api, orgToken(newOrg()))
      const hook = receiver.hook(500)
      const { id: app } = await svix.application.create({ name: 'Customer' })
      const { id: endpoint } = await svix.endpoint.create(app, { url: hook.url })
      const since = new Date(Date.now() - 60_000)
      await svix.message.create(app, { eventType: 'a', payload: {} })
      await soon(() => svix.endpoint.getStats(app, endpoint)).toMatchObject({ fail: 1 })

      hook.replies = [200]
      await svix.endpoint.recover(app, endpoint, { since })
      await soon(() => svix.endpoint.getStats(app, endpoint)).toMatchObject({ success: 1 })

      const { id: late } = await svix.endpoint.create(app, { url: receiver.hook(200).url })
      await svix.endpoint.replayMissing(app, late, { since })
      await soon(() => svix.endpoint.getStats(app, late)).toMatchObject({ success: 1 })
      // The node that was asked has attempted nothing.
      const attempts = (node: Gateway) => node.log.filter((line) => line['msg'] === 'attempt').length
      expect([attempts(api), attempts(worker)]).toEqual([0, 3])
    })
  },
)
