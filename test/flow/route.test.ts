import { describe, expect, test } from 'vitest'
import type { Audience, Endpoint } from '../../src/domain/endpoint.ts'
import { wants } from '../../src/domain/endpoint.ts'
import { route } from '../../src/flow/route.ts'
import { endpoint } from '../conformance/builders.ts'

const event = (eventType: string, channels: string[] | null = null) => ({
  eventType,
  channels,
  audience: 'all' as Audience,
})

describe('an endpoint', () => {
  test.each<[string, Partial<Endpoint>, ReturnType<typeof event>, boolean]>([
    ['without filters wants everything', {}, event('user.created'), true],
    ['wants the types it names', { eventTypes: ['order.paid', 'user.created'] }, event('user.created'), true],
    ['wants no other type', { eventTypes: ['order.paid'] }, event('user.created'), false],
    ['wants what is below its prefix', { eventTypes: ['user.*'] }, event('user.created.eu'), true],
    ['with an empty list wants everything', { eventTypes: [] }, event('user.created'), true],
    ['that is disabled wants nothing', { disabled: true, disabledReason: 'owner' }, event('user.created'), false],
    ['that is paused wants it all the same', { pausedUntil: Infinity }, event('user.created'), true],
    ['without channels hears all of them', {}, event('user.created', ['a']), true],
    ['hears its channel', { channels: ['a', 'b'] }, event('user.created', ['c', 'b']), true],
    ['hears no other channel', { channels: ['a', 'b'] }, event('user.created', ['c']), false],
    ['with channels hears nothing without one', { channels: ['a'] }, event('user.created'), false],
    ['with channels hears nothing that names none', { channels: ['a'] }, event('user.created', []), false],
    ['needs both, type and channel', { eventTypes: ['x'], channels: ['a'] }, event('y', ['a']), false],
  ])('%s', (_, settings, what, expected) => {
    expect(wants(endpoint(settings), what)).toBe(expected)
  })
})

describe('an event', () => {
  test('goes to the endpoints that want it, in their order', () => {
    const all = [
      endpoint(),
      endpoint({ eventTypes: ['x'] }),
      endpoint({ disabled: true }),
      endpoint({ eventTypes: ['user.*'] }),
    ]
    expect(route(all, event('user.created'))).toEqual([all[0], all[3]])
  })

  test('for those that name its type passes over endpoints that name none', () => {
    const all = [
      endpoint(),
      endpoint({ eventTypes: [] }),
      endpoint({ eventTypes: ['*'] }),
      endpoint({ eventTypes: ['x'] }),
    ]
    expect(route(all, { ...event('user.created'), audience: 'named' })).toEqual([all[2]])
  })

  test('never goes to the Svix destination by itself', () => {
    expect(route([endpoint({ kind: 'svix', managed: true })], event('user.created'))).toEqual([])
  })

  test('that nobody wants goes nowhere', () => {
    expect(route([], event('user.created'))).toEqual([])
  })
})
