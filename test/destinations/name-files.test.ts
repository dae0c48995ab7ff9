import { describe, expect, test } from 'vitest'
import { isLocalhost, namesToTry, parseHosts, parseSearchRules } from '../../src/destinations/name-files.ts'

describe('a hosts file', () => {
  test('gives every name of a line its address, in either case', () => {
    const hosts = parseHosts('127.0.0.1\tlocalhost\n 10.0.0.7  Receiver receiver.example # ours\n')
    expect([...hosts]).toEqual([
      ['localhost', ['127.0.0.1']],
      ['receiver', ['10.0.0.7']],
      ['receiver.example', ['10.0.0.7']],
    ])
  })

  test('may give a name several addresses, each once', () => {
    const hosts = parseHosts('127.0.0.1 localhost\n::1 localhost\n127.0.0.1 localhost\n')
    expect(hosts.get('localhost')).toEqual(['127.0.0.1', '::1'])
  })

  test.each(['', '# 10.0.0.1 a', '10.0.0.1', 'a b', '10.0.0.256 a', '010.0.0.1 a', 'fe80::1%lo0 a', '10.0.0.1 #a'])(
    'says nothing with %j',
    (line) => {
      expect([...parseHosts(line)]).toEqual([])
    },
  )

  test('has names that are members of every object, and no others', () => {
    expect(parseHosts('10.0.0.1 constructor').get('constructor')).toEqual(['10.0.0.1'])
    expect(parseHosts('').get('constructor')).toBeUndefined()
  })
})

describe('resolv.conf', () => {
  test.each([
    ['nameserver 10.0.0.2\nsearch a.example b.example\n', ['a.example', 'b.example'], 1],
    ['search a.example\ndomain b.example other.example', ['b.example'], 1],
    ['domain b.example\nsearch A.Example. .', ['a.example'], 1],
    ['search svc.cluster.local cluster.local\noptions ndots:5 timeout:1', ['svc.cluster.local', 'cluster.local'], 5],
    ['options edns0\noptions ndots:0', ['home.example'], 0],
    ['options ndots:99', ['home.example'], 15],
    ['options ndots:x ndots:', ['home.example'], 1],
    ['; search a.example\n# search b.example', ['home.example'], 1],
    ['search', [], 1],
    ['', ['home.example'], 1],
  ])('%j is read', (text, search, ndots) => {
    expect(parseSearchRules(text, 'machine.home.example')).toEqual({ search, ndots })
  })

  test('of a machine whose name has no domain says nothing by itself', () => {
    expect(parseSearchRules('', 'machine')).toEqual({ search: [], ndots: 1 })
  })

  test('has a bound on what it adds', () => {
    const text = `search ${Array.from({ length: 100 }, (_, i) => `d${i}.example`).join(' ')}`
    expect(parseSearchRules(text, '').search).toHaveLength(32)
  })
})

describe('what is asked for', () => {
  const cluster = { search: ['ns.svc.local', 'svc.local'], ndots: 5 }
  const plain = { search: ['home.example'], ndots: 1 }
  test.each([
    ['postgres', cluster, ['postgres.ns.svc.local', 'postgres.svc.local', 'postgres']],
    ['postgres.ns', cluster, ['postgres.ns.ns.svc.local', 'postgres.ns.svc.local', 'postgres.ns']],
    ['a.b.c.d.e.f', cluster, ['a.b.c.d.e.f', 'a.b.c.d.e.f.ns.svc.local', 'a.b.c.d.e.f.svc.local']],
    ['receiver', plain, ['receiver.home.example', 'receiver']],
    ['receiver.example', plain, ['receiver.example', 'receiver.example.home.example']],
    ['receiver.example.', plain, ['receiver.example']],
    ['receiver.', cluster, ['receiver']],
    ['receiver', { search: [], ndots: 0 }, ['receiver']],
    ['receiver', { search: ['home.example'], ndots: 0 }, ['receiver', 'receiver.home.example']],
  ])('for %s with %j', (name, rules, names) => {
    expect(namesToTry(name, rules)).toEqual(names)
  })

  test('is never longer than a name may be', () => {
    expect(namesToTry(`${'a.'.repeat(120)}example`, plain)).toEqual([`${'a.'.repeat(120)}example`])
  })

  test.each([
    ['localhost', true],
    ['app.localhost', true],
    ['localhost.example', false],
    ['notlocalhost', false],
    ['.localhost', false],
  ])('%s is this machine: %s', (name, is) => {
    expect(isLocalhost(name)).toBe(is)
  })
})
