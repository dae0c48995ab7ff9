import { expect, test } from 'vitest'
import { DEFAULT_APP } from '../../src/domain/application.ts'
import type { ManageContext } from '../../src/manage/context.ts'
import { removeApplication } from '../../src/manage/applications.ts'
import { application, endpoint, OTHER_APP } from '../conformance/builders.ts'
import { createFakeClock } from '../fake-clock.ts'

function managing() {
  const endpoints = [endpoint({ id: 'ep_one' }), endpoint({ id: 'ep_two', disabled: true })]
  const done: unknown[][] = []
  const context = {
    clock: createFakeClock(),
    store: {
      endpointsOf: () => Promise.resolve(endpoints),
      deleteApplication: (...given: unknown[]) => Promise.resolve(done.push(['delete', given[1]]) > 0),
    },
    applications: { forget: ({ id }: { id: string }) => done.push(['forget application', id]) },
    cache: { forget: (_: unknown, id: string) => done.push(['forget', id]) },
    cancelWaiting: (_: unknown, id: string, what: string) => done.push(['cancel', id, what]),
  } as unknown as ManageContext
  return { context, done }
}

test('an application goes with its endpoints: caches forget them, and what waits for each is cancelled', async () => {
  const { context, done } = managing()
  expect(await removeApplication(context, application({ id: OTHER_APP }))).toBe('removed')
  expect(done).toEqual([
    ['delete', OTHER_APP],
    ['forget application', OTHER_APP],
    ['forget', 'ep_one'],
    ['cancel', 'ep_one', 'all'],
    ['forget', 'ep_two'],
    ['cancel', 'ep_two', 'all'],
  ])
})

test('the default application stays: the plain routes need it', async () => {
  const { context, done } = managing()
  expect(await removeApplication(context, application({ id: DEFAULT_APP }))).toBe('is_default')
  expect(done).toEqual([])
})
