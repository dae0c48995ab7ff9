/** Background work for one subscription, and its progress. */
import { z } from 'zod'
import { DEFAULT_APP } from '../domain/application.ts'
import { type ErrorCode, GatewayError, invalid } from '../domain/errors.ts'
import { BUCKET_MS } from '../domain/ids.ts'
import type { TaskInfo } from '../domain/task.ts'
import { newTask, OPEN_TASKS, startTask, TASK_WINDOW_DAYS } from '../manage/tasks.ts'
import { urlText } from './bounded.ts'
import { closed } from './closed.ts'
import type { HttpContext, Server } from './context.ts'
import { readDefaultApplication } from './default-application.ts'
import { named } from './described.ts'
import { instantIn } from './instants.ts'
import { count, Instant, instant, Refusal, toEndpointId, toId, ValidationRefusal } from './schemas.ts'

const Task = named(
  'Task',
  z.object({
    id: z.string().meta({ example: 'qtask_2p1dTq0vAc3m5n7R9sXyZbCdEfG' }),
    kind: z.enum(['endpoint.recover', 'endpoint.replay']),
    status: z.enum(['running', 'finished']),
    subscription_id: z.string(),
    since: Instant,
    until: Instant,
    messages: count.describe('Deliveries that it has made due so far'),
    created_at: Instant,
    updated_at: Instant,
  }),
)

const Stretch = z.object({
  since: instantIn.describe('Messages that were accepted at this instant or later'),
  until: instantIn.nullish().describe('And at this instant or earlier; now when it is absent'),
})

const toTask = (task: TaskInfo): z.infer<typeof Task> => ({
  id: task.id,
  kind: task.kind,
  status: task.status,
  subscription_id: task.endpointId,
  since: instant(task.since),
  // The range of a task ends before `until`, but the client's range includes `until`.
  until: instant(task.until - BUCKET_MS),
  messages: task.added,
  created_at: instant(task.createdAt),
  updated_at: instant(task.updatedAt),
})

const REFUSED = {
  unknown: ['subscription_not_found', undefined],
  endpoint_busy: [
    'tasks_unfinished',
    `${OPEN_TASKS.ofKind} tasks of this subscription are not finished: one runs, and the others wait for it. Ask again once they are.`,
  ],
  application_busy: [
    'tasks_unfinished',
    `${OPEN_TASKS.ofApplication} tasks of all subscriptions are not finished. Ask again once they are.`,
  ],
} as const satisfies Record<string, readonly [ErrorCode, string | undefined]>

export function taskRoutes(app: Server, { store, applications, manage }: HttpContext): void {
  const Input = closed(named('RecoverInput', Stretch), Stretch)
  const common = { tags: ['deliveries'], security: [{ management: [] }], params: z.object({ id: urlText() }) }
  const config = { management: true }

  app.post(
    '/subscriptions/:id/recover',
    {
      config,
      schema: {
        ...common,
        operationId: 'recoverSubscription',
        summary: 'Try failed deliveries of a stretch of time again, in the background',
        description:
          'Each delivery of the subscription that ended without success gets a manual attempt. The stretch is at most ' +
          `${TASK_WINDOW_DAYS} days long. The id \`svix\` stands for the Svix destination of notifications. The answer is a task, ` +
          'which `GET /tasks/{id}` shows as it goes on.',
        body: Input,
        response: { 202: Task, 404: Refusal, 409: Refusal, 422: ValidationRefusal },
      },
    },
    async (request, reply) => {
      const endpointId = toEndpointId(request.params.id)
      const endpoint = endpointId && (await store.getEndpoint(DEFAULT_APP, endpointId))
      if (endpoint === null) throw new GatewayError('subscription_not_found')
      const { since, until = null } = request.body
      const application = await readDefaultApplication(applications)
      const task = newTask(manage, { kind: 'endpoint.recover', application, endpointId: endpoint.id, since, until })
      if (task === 'too_long')
        throw invalid(['body', 'since'], `has to be at most ${TASK_WINDOW_DAYS} days before \`until\``)
      if (task === 'reversed') throw invalid(['body', 'since'], 'has to be before `until`, and not in the future')
      const result = await startTask(manage, task)
      if (result === 'unknown' || result === 'endpoint_busy' || result === 'application_busy') {
        const [code, detail] = REFUSED[result]
        throw new GatewayError(code, detail === undefined ? {} : { detail })
      }
      return reply.code(202).header('location', `/tasks/${task.id}`).send(toTask(task))
    },
  )

  app.get(
    '/tasks/:id',
    {
      config,
      schema: {
        ...common,
        operationId: 'getTask',
        summary: 'Read a task: how far it came, and whether it is finished',
        response: { 200: Task, 404: Refusal },
      },
    },
    async (request) => {
      const id = toId('qtask', request.params.id)
      const { orgId } = await readDefaultApplication(applications)
      const task = id && (await store.getTask(orgId, id))
      if (task === null || task.appId !== DEFAULT_APP) throw new GatewayError('task_not_found')
      return toTask(task)
    },
  )
}
