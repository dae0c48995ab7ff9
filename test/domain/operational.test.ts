import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { eventTypeProblem } from '../../src/domain/event-filter.ts'
import {
  attemptEventType,
  endpointEvent,
  FAILING_ATTEMPT,
  MANAGEMENT_ORG,
  OPERATIONAL_EVENTS,
} from '../../src/domain/operational.ts'
import { application, endpoint } from '../conformance/builders.ts'

test('the events are those of the Svix API, and so is the organization that is told', () => {
  expect(Object.keys(OPERATIONAL_EVENTS).sort()).toEqual([
    'endpoint.created',
    'endpoint.deleted',
    'endpoint.disabled',
    'endpoint.updated',
    'message.attempt.exhausted',
    'message.attempt.failing',
    'message.attempt.recovered',
  ])
  expect(Object.keys(OPERATIONAL_EVENTS).map(eventTypeProblem)).toEqual(Array.from({ length: 7 }, () => null))
  expect(MANAGEMENT_ORG).toBe('org_00000000000SvixManagement00')
})

describe('an endpoint', () => {
  const of = application({ uid: 'customer' })

  test('is told with its application, and what else there is to tell', () => {
    const one = endpoint({ appId: of.id, uid: 'first' })
    const told = { appId: of.id, appUid: 'customer', endpointId: one.id, endpointUid: 'first' }
    expect(endpointEvent('endpoint.created', of, one)).toEqual({ type: 'endpoint.created', data: told })
    expect(endpointEvent('endpoint.disabled', of, one, { failSince: 'then' })).toEqual({
      type: 'endpoint.disabled',
      data: { ...told, failSince: 'then' },
    })
  })

  test('without uids has null for them, not nothing', () => {
    const { data } = endpointEvent('endpoint.deleted', application(), endpoint())
    expect(JSON.parse(JSON.stringify(data))).toMatchObject({ appUid: null, endpointUid: null })
  })

  test('never gives its secret or its headers away', () => {
    const one = endpoint({ headers: { 'x-key': 'hidden' }, secrets: [{ secret: 'hidden', expiresAt: null }] })
    expect(JSON.stringify(endpointEvent('endpoint.updated', of, one))).not.toContain('hidden')
  })
})

describe('an attempt', () => {
  test.each([
    [{ succeeded: false, isLast: false, attempt: 3 }, []],
    [{ succeeded: false, isLast: false, attempt: 4 }, ['message.attempt.failing']],
    [{ succeeded: false, isLast: false, attempt: 5 }, []],
    [{ succeeded: false, isLast: true, attempt: 1 }, ['message.attempt.exhausted']],
    [{ succeeded: false, isLast: true, attempt: 4 }, ['message.attempt.failing', 'message.attempt.exhausted']],
    [{ succeeded: true, isLast: false, attempt: 4 }, []],
    [{ succeeded: true, isLast: false, attempt: 5 }, ['message.attempt.recovered']],
  ] as const)('%j is told as %j', (given, events) => {
    expect(attemptEventType(given)).toEqual(events)
  })

  test('recovery is told only of what was told to fail, and each thing once for a delivery', () => {
    const schedule = fc.record({
      attempts: fc.integer({ min: 1, max: 12 }),
      successAt: fc.option(fc.integer({ min: 1, max: 12 })),
    })
    fc.assert(
      fc.property(schedule, ({ attempts, successAt }) => {
        const last = Math.min(attempts, successAt ?? Infinity)
        const told = Array.from({ length: last }, (_, i) =>
          attemptEventType({ succeeded: i + 1 === successAt, isLast: i + 1 === attempts, attempt: i + 1 }),
        ).flat()
        const isDelivered = successAt === last
        const expected = [
          last > FAILING_ATTEMPT || (last === FAILING_ATTEMPT && !isDelivered) ? ['message.attempt.failing'] : [],
          isDelivered ? (last > FAILING_ATTEMPT ? ['message.attempt.recovered'] : []) : ['message.attempt.exhausted'],
        ].flat()
        expect(told).toEqual(expected)
      }),
    )
  })
})
