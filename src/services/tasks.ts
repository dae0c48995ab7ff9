import { LIMITS } from '../domain/limits.ts'
import type { Clock } from '../lib/clock.ts'
import type { Tasks } from '../store/port/tasks.ts'
import { pause, type Service } from './service.ts'

/** Pause between two steps: meanwhile the store belongs to the others. */
const BREATH_MS = 5

export interface TaskRunner extends Service {
  /** Called when there is a new task; without this call the next look finds it. */
  wake(): void
}

/** Does the steps of background tasks, one after the other, and continues the tasks of a process that is gone. */
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
