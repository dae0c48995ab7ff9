import { LIMITS } from '../domain/limits.ts'
import type { Clock } from '../lib/clock.ts'
import type { Tasks } from '../store/port/tasks.ts'
import { pause, type Service } from './service.ts'

/** Between two steps the store belongs to the others. */
const BREATH_MS = 5

export interface TaskRunner extends Service {
  /** There is a new task; without it the next look finds it. */
  wake(): void
}

/** Does the steps of background tasks, one after the other, and goes on where a process that is gone left off. */
export function createTaskRunner(options: { tasks: Tasks; clock: Clock; onAdded: (now: number) => void }): TaskRunner {
  const { tasks, clock } = options
  let awake = new AbortController()
  return {
    name: 'tasks',
    wake: () => awake.abort(),
    async run(signal) {
      while (!signal.aborted) {
        awake = new AbortController()
        const now = clock.now()
        const { task, added } = await tasks.stepTask(now, LIMITS.taskStepMessages)
        if (added > 0) options.onAdded(now)
        if (task === null) await pause(clock, LIMITS.taskPollMs, AbortSignal.any([signal, awake.signal]))
        else await pause(clock, BREATH_MS, signal)
      }
    },
  }
}
