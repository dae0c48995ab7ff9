import { expect, test } from 'vitest'
import { Hints } from '../../src/lib/hints.ts'

interface Topics {
  due: number
  changed: { id: string }
}

test('a subscriber is told what is published under its topic, at once and in order, and nothing from before', () => {
  const hints = new Hints<Topics>()
  const heard: unknown[] = []
  hints.publish('due', 1)
  hints.subscribe('due', (at) => heard.push(['a', at]))
  hints.subscribe('due', (at) => heard.push(['b', at]))
  hints.publish('changed', { id: 'ep_1' })
  hints.publish('due', 2)
  expect(heard).toEqual([
    ['a', 2],
    ['b', 2],
  ])
})

test('a subscription that is disposed is told nothing more, and the same function may hold another one', () => {
  const hints = new Hints<Topics>()
  const heard: number[] = []
  const hear = (at: number) => void heard.push(at)
  const first = hints.subscribe('due', hear)
  hints.subscribe('due', hear)
  hints.publish('due', 1)
  first[Symbol.dispose]()
  hints.publish('due', 2)
  expect(heard).toEqual([1, 1, 2])
})

test('a subscriber that throws is reported, and disturbs neither the publisher nor the others', () => {
  const failures: string[] = []
  const hints = new Hints<Topics>({ onFailure: (topic, error) => failures.push(`${topic}: ${String(error)}`) })
  const heard: number[] = []
  hints.subscribe('due', () => {
    throw new Error('broken')
  })
  hints.subscribe('due', (at) => void heard.push(at))
  hints.publish('due', 7)
  expect(heard).toEqual([7])
  expect(failures).toEqual(['due: Error: broken'])
})

test('a topic has so many subscribers and no more, until one of them leaves', () => {
  const hints = new Hints<Topics>({ subscribersMax: 2 })
  const [first] = [hints.subscribe('due', () => {}), hints.subscribe('due', () => {})]
  hints.subscribe('changed', () => {})
  expect(() => hints.subscribe('due', () => {})).toThrow('due has 2 subscribers already')
  first[Symbol.dispose]()
  hints.subscribe('due', () => {})
})
