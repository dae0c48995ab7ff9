import { within } from '../../bench/processes.ts'
import { LIMITS } from '../../src/domain/limits.ts'
import type { Attack } from '../attack.ts'
import { openTenants } from './tenants-rig.ts'

const TASKS = 300
const ENDPOINTS = 30
const MESSAGES = 600
const AT_ONCE = 50
/** Of the attacker's tasks, finished before the other one's: they take turns, and it needs one. */
const BEFORE_MAX = 10

export const tasks: Attack = {
  about: `a portal token asks ${TASKS} times for replay-missing at one endpoint and ${TASKS} times at ${ENDPOINTS} others; then another tenant asks once`,
  async run(settings) {
    const gateway = await openTenants(settings)
    const org = await gateway.organization('attacked')
    const { id } = (await org('POST /app', { name: 'App', uid: 'app' })).body
    const since = new Date(Date.now() - 3_600_000).toISOString()
    for (let i = 0; i < MESSAGES; i += AT_ONCE)
      await Promise.all(
        Array.from({ length: AT_ONCE }, () => org('POST /app/app/msg', { eventType: 'seen', payload: {} })),
      )
    for (let i = 0; i < ENDPOINTS; i++)
      await org('POST /app/app/endpoint', { url: 'http://127.0.0.1:9/', uid: `e${i}` })
    const other = await gateway.organization('other')
    await other('POST /app', { name: 'Other', uid: 'other' })
    await other('POST /app/other/endpoint', { url: 'http://127.0.0.1:9/', uid: 'e' })

    const portal = await gateway.portal('attacked', id)
    const replay = (endpoint: number) => portal(`POST /app/app/endpoint/e${endpoint}/replay-missing`, { since })
    const one = Promise.all(Array.from({ length: TASKS }, () => replay(0)))
    const many = Promise.all(Array.from({ length: TASKS }, (_, i) => replay(i % ENDPOINTS)))
    const said = [...(await one), ...(await many)].map(({ status }) => status)
    const open = async () => {
      const { body } = await org('GET /background-task?status=running&limit=250')
      return (body as unknown as { data: unknown[] }).data.length
    }
    const openNow = await open()
    const startMs = performance.now()
    const task = await other('POST /app/other/endpoint/e/replay-missing', { since })
    const isDone = async () => (await other(`GET /background-task/${task.body.id}`)).body.status === 'finished'
    const wasDone = await within(30_000, isDone)
    const tookMs = Math.round(performance.now() - startMs)
    const openThen = await open()
    const counts = [202, 400, 409].map((status) => `${status} × ${said.filter((one) => one === status).length}`)
    return [
      { what: `the portal was told ${counts.join(', ')}`, holds: said.every((one) => [202, 400, 409].includes(one)) },
      {
        what: `${openNow} tasks were open (bound: ${LIMITS.tasksOpenOfApplication})`,
        holds: openNow <= LIMITS.tasksOpenOfApplication,
      },
      {
        what: `the other tenant's task was done after ${tookMs} ms and ${openNow - openThen} of them (bound: ${BEFORE_MAX})`,
        holds: wasDone && openNow - openThen <= BEFORE_MAX,
      },
      {
        what: 'all tasks come to an end',
        holds: await within(120_000, async () => (await open()) === 0),
      },
    ]
  },
}
