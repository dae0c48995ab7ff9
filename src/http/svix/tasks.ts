/** Background work, and its progress. */
import { z } from 'zod'
import { BUCKET_MS, type TaskId } from '../../domain/ids.ts'
import type { TaskInfo, TaskKind } from '../../domain/task.ts'
import { newTask, OPEN_TASKS, startTask, TASK_WINDOW_DAYS } from '../../manage/tasks.ts'
import { urlText } from '../bounded.ts'
import { named } from '../described.ts'
import { instantIn } from '../instants.ts'
import { Instant, instant } from '../schemas.ts'
import { operation, type AnyOperation, findApplication, findEndpoint, ok, unlessReplayed } from './operation.ts'
import { pageOf, readPage } from './pages.ts'
import { invalidField, SvixError } from './problems.ts'
import { iterator, limit, order } from './query.ts'

const kinds = ['endpoint.recover', 'endpoint.replay'] as const
const statuses = ['running', 'finished'] as const

const TaskCommon = named(
  'BackgroundTaskCommon',
  z.object({
    id: z.string(),
    status: z.enum([...statuses, 'failed']),
    task: z.enum(kinds),
    updatedAt: Instant,
  }),
)
const TaskOut = named('BackgroundTaskOut', TaskCommon.extend({ data: z.record(z.string(), z.unknown()) }))

const toTaskCommon = (task: TaskInfo): z.infer<typeof TaskCommon> => ({
  id: task.id,
  status: task.status,
  task: task.kind,
  updatedAt: instant(task.updatedAt),
})

const toTaskOut = (task: TaskInfo): z.infer<typeof TaskOut> => ({
  ...toTaskCommon(task),
  data: {
    appId: task.appId,
    endpointId: task.endpointId,
    since: instant(task.since),
    until: instant(task.until - BUCKET_MS),
    messages: task.added,
  },
})

const TaskIn = named('RecoverIn', z.object({ since: instantIn, until: instantIn.nullish() }))

function refusalOf(result: 'endpoint_busy' | 'application_busy' | 'unknown', kind: TaskKind): SvixError {
  if (result === 'unknown') return new SvixError('not_found')
  if (result === 'endpoint_busy')
    return new SvixError(
      'conflict',
      `${OPEN_TASKS.ofKind} tasks ${kind} of this endpoint are not finished: one runs, and the others wait for it. Ask again once they are.`,
    )
  return new SvixError(
    'limit_reached',
    `${OPEN_TASKS.ofApplication} background tasks of this application are not finished. Ask again once they are.`,
  )
}

interface Named {
  kind: TaskKind
  url: string
  id: string
  summary: string
}

/** An operation that starts a task for an endpoint and a range of time. */
export const taskOperation = ({ kind, ...named }: Named) =>
  operation({
    method: 'POST',
    ...named,
    access: 'CreateAttempts',
    body: TaskIn,
    answers: { 202: TaskCommon },
    async handle(context, call) {
      const application = await findApplication(context, call)
      const endpoint = await findEndpoint(context, application.id, call.params['endpoint_id'])
      const { since, until = null } = call.body
      const task = newTask(context.manage, { kind, application, endpointId: endpoint.id, since, until })
      if (task === 'too_long')
        throw invalidField(['body', 'since'], `Cannot recover more than ${TASK_WINDOW_DAYS} days of messages`)
      if (task === 'reversed') throw invalidField(['body', 'since'], 'is after `until`')
      const out = toTaskCommon(task)
      const result = unlessReplayed(await startTask(context.manage, task, call.answer(202, out)))
      if (result !== 'created') throw refusalOf(result, kind)
      return { status: 202, body: out }
    },
  })

const backgroundTaskList = operation({
  method: 'GET',
  url: '/background-task',
  id: 'v1.background-task.list',
  summary: 'List background tasks, newest first',
  access: 'organization',
  query: z.object({
    limit: limit(50),
    iterator: iterator('qtask'),
    order,
    status: z.enum([...statuses, 'failed']).optional(),
    task: urlText().optional(),
  }),
  answers: { 200: pageOf(TaskOut) },
  async handle(context, { principal, query }) {
    const kind = kinds.find((one) => one === query.task) ?? null
    const isNone = query.status === 'failed' || (query.task !== undefined && kind === null)
    const status = query.status === 'failed' ? null : (query.status ?? null)
    const page = await readPage(query, {
      order: query.order ?? 'descending',
      keyOf: (task: TaskInfo) => task.id,
      read: (keyset) =>
        isNone ? Promise.resolve([]) : context.store.listTasks({ orgId: principal.orgId, status, kind }, keyset),
    })
    return ok({ ...page, data: page.data.map(toTaskOut) })
  },
})

const backgroundTaskGet = operation({
  method: 'GET',
  url: '/background-task/:task_id',
  id: 'v1.background-task.get',
  summary: 'Read a background task',
  access: 'organization',
  answers: { 200: TaskOut },
  async handle(context, { principal, params }) {
    const task = await context.store.getTask(principal.orgId, params['task_id'] as TaskId)
    if (task === null) throw new SvixError('not_found')
    return ok(toTaskOut(task))
  },
})

export const taskOperations: readonly AnyOperation[] = [backgroundTaskList, backgroundTaskGet]
