import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  eventTypeFrom,
  eventTypePatternProblem,
  eventTypeProblem,
  matchesEventType,
} from '../../src/domain/event-filter.ts'

test.each([
  ['null', null, 'user.created', true],
  ['an empty list', [], 'user.created', true],
  ['the name', ['user.created'], 'user.created', true],
  ['one of several names', ['order.created', 'user.created'], 'user.created', true],
  ['another name', ['user.deleted'], 'user.created', false],
  ['the beginning of the name', ['user'], 'user.created', false],
  ['the name in another case', ['User.created'], 'user.created', false],
  ['user.*', ['user.*'], 'user.created', true],
  ['user.* two levels up', ['user.*'], 'user.a.b', true],
  ['user.* against user itself', ['user.*'], 'user', false],
  ['user.* against nothing below', ['user.*'], 'user.', false],
  ['user.* against a longer word', ['user.*'], 'users.created', false],
  ['user.a.*', ['user.a.*'], 'user.a.b', true],
  ['user.a.* against a sibling', ['user.a.*'], 'user.b', false],
  ['a dot is no wildcard', ['user.*'], 'userXcreated', false],
  ['*', ['*'], 'user.created', true],
  ['* among others', ['order.created', '*'], 'user', true],
])('%s', (_, patterns, eventType, matches) => {
  expect(matchesEventType(patterns, eventType)).toBe(matches)
})

const word = () => fc.stringMatching(/^[a-zA-Z0-9\-_]{1,8}$/)
const name = () => fc.array(word(), { minLength: 1, maxLength: 5 }).map((words) => words.join('.'))

test('a type is matched by itself, by every level above it, and by nothing beside it', () => {
  fc.assert(
    fc.property(name(), name(), (above, below) => {
      expect(matchesEventType([`${above}.${below}`], `${above}.${below}`)).toBe(true)
      expect(matchesEventType([`${above}.*`], `${above}.${below}`)).toBe(true)
      expect(matchesEventType([`${above}.*`], `${above}${below}`)).toBe(false)
      expect(matchesEventType([`${above}.*`], above)).toBe(false)
    }),
  )
})

const NAMES = ['a', 'user', 'user.created', 'User_2-x.y.Z', '...', 'user.', 'user..x', 'a'.repeat(256)]
const NO_NAMES = [
  '',
  ' ',
  'user created',
  '.',
  '..',
  'user/created',
  'user:created',
  'üser',
  'user\n',
  'us*er',
  '**',
  '*.x',
  'a'.repeat(257),
]

test.each(NAMES)('%j is a name and a pattern', (text) => {
  expect(eventTypeProblem(text)).toBeNull()
  expect(eventTypePatternProblem(text)).toBeNull()
})

test.each(NO_NAMES)('%j is neither a name nor a pattern, and the words say what would be', (text) => {
  expect(eventTypeProblem(text)).toMatch(/letters, digits|at most 256 characters/)
  expect(eventTypePatternProblem(text)).toMatch(/"\.\*"/)
})

test.each(['*', 'user.*', 'user.a.*', `${'a'.repeat(256)}.*`])('%j is a pattern but no name', (text) => {
  expect(eventTypePatternProblem(text)).toBeNull()
  expect(eventTypeProblem(text)).not.toBeNull()
})

test.each(['.*', 'user*', 'user.*.x', 'user.**', 'user.*.*', '*.*', `${'a'.repeat(257)}.*`])(
  '%j is no pattern',
  (text) => {
    expect(eventTypePatternProblem(text)).not.toBeNull()
  },
)

test.each([
  ['user.created', 'user.created'],
  ['.a.', '.a.'],
  ['orders/create', 'orders.create'],
  ['order:created', 'order.created'],
  ['com.example/invoice.paid', 'com.example.invoice.paid'],
  ['https://example.com/events/paid', 'https.example.com.events.paid'],
  ['Push Hook', 'Push.Hook'],
  ['a: b', 'a.b'],
  ['a/.b', 'a.b'],
  ['/orders/create/', 'orders.create'],
  ['a@b', 'a-b'],
  ['żółw.created', 'w.created'],
])('the type %s is %s', (said, eventType) => {
  expect(eventTypeFrom(said)).toBe(eventType)
  expect(eventTypeProblem(eventType)).toBeNull()
})

test.each(['', ' ', '.', '..', '///', '日本', 'a, b', 'user.*', '*', 'a'.repeat(257), `${'a'.repeat(256)}/`])(
  'the type %j cannot be mapped, and is refused',
  (said) => {
    expect(eventTypeFrom(said)).toBe(said)
    expect(eventTypeProblem(said)).not.toBeNull()
  },
)

test.each([
  ['order:created', 'order.created'],
  ['orders/*', 'orders.*'],
  ['com.example/invoice.*', 'com.example.invoice.*'],
])('a pattern %s is refused, and %s named instead', (pattern, meant) => {
  expect(eventTypePatternProblem(pattern)).toContain(`"${meant}"`)
})
