import { chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { compareClocks } from '../../src/domain/finding.ts'
import { subnetDoubts } from '../../src/settings/subnets.ts'
import { examineSqlite } from '../../src/store/sqlite/examine.ts'
import { Program, startGateway, temporaryDirectory } from './gateway.ts'

/** The exit code, and of each check the worst state with its line. */
async function doctor(directory: string, environment: NodeJS.ProcessEnv = {}) {
  await using program = new Program(directory, environment, ['doctor'])
  const exitCode = await program.exited()
  expect(program.stderr).toBe('')
  const bad = program.stdout.filter((line) => !line.startsWith('ok '))
  const checks = program.stdout.map((line) => line.split(/ +/)[1])
  return { exitCode, checks, failed: bad.filter((line) => line.startsWith('fail')), bad: bad.join('\n') }
}

test('everything is well beside a running gateway, which notices nothing', async () => {
  using directory = temporaryDirectory()
  await using gateway = await startGateway({}, directory.path)
  const { port, hostname } = new URL(gateway.url)
  const files = readdirSync(directory.path).toSorted()
  const { exitCode, checks, failed, bad } = await doctor(directory.path, { HOST: hostname, PORT: port })
  expect([exitCode, failed]).toEqual([0, []])
  expect(new Set(checks)).toEqual(
    new Set(['settings', 'subnets', 'store', 'clock', 'key', 'commit', 'disk', 'files', '.env', 'port', 'ulimit']),
  )
  expect(bad).not.toMatch(/store|clock|key |commit|files|port /)
  expect(readdirSync(directory.path).toSorted()).toEqual(files)
  expect((await gateway.send('/health/ready')).status).toBe(200)
})

test('before the first start it makes no file', async () => {
  using directory = temporaryDirectory()
  expect(await doctor(directory.path, { PORT: '0' })).toMatchObject({ exitCode: 0, failed: [] })
  expect(readdirSync(directory.path)).toEqual([])
})

test('files that others may read are told of, with the command that ends it', async () => {
  using directory = temporaryDirectory()
  await (await startGateway({}, directory.path))[Symbol.asyncDispose]()
  writeFileSync(join(directory.path, '.env'), '')
  for (const name of ['hookferry.db', '.env']) chmodSync(join(directory.path, name), 0o644)
  const { exitCode, bad } = await doctor(directory.path, { PORT: '0' })
  expect(exitCode).toBe(0)
  expect(bad).toMatch(/^warn +files .*chmod 600 \S*hookferry\.db$/m)
  expect(bad).toMatch(/^warn +\.env .*chmod 600 \.env$/m)
})

test('settings, the key, the schema and the port fail by name, with exit code 1', async () => {
  using directory = temporaryDirectory()
  const path = join(directory.path, 'hookferry.db')
  await (await startGateway({}, directory.path))[Symbol.asyncDispose]()
  const failedWith = async (environment: NodeJS.ProcessEnv) => {
    const { exitCode, failed } = await doctor(directory.path, { PORT: '0', ...environment })
    expect(exitCode).toBe(1)
    return failed
  }
  expect(await failedWith({ PORT: 'x', MAX_HOPS: 'x' })).toEqual([
    expect.stringMatching(/^fail +settings +PORT: /),
    expect.stringMatching(/^fail +settings +MAX_HOPS: /),
  ])
  const another = Buffer.alloc(32, 9).toString('base64')
  expect(await failedWith({ ENCRYPTION_KEY: another })).toEqual([
    expect.stringMatching(/^fail +key .*hookferry\.db\.key/),
  ])

  const other = createServer((_request, response) => response.end('no gateway'))
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const PORT = String((other.address() as AddressInfo).port)
  expect(await failedWith({ PORT })).toEqual([expect.stringMatching(/^fail +port .*To do: end it, or set PORT/)])
  other.close()

  using database = new DatabaseSync(path)
  database.exec('PRAGMA user_version = 9999')
  expect(await failedWith({})).toEqual([expect.stringMatching(/^fail +store .*newer Hookferry/)])
  expect(await failedWith({ DATABASE_URL: `sqlite:${path}/below.db` })).toEqual([
    expect.stringMatching(/^fail +store .*cannot be made/),
  ])
  expect(existsSync(`${path}/below.db`)).toBe(false)
})

test('a clock that is behind what was stored, or beside another one, is told of', async () => {
  using directory = temporaryDirectory()
  await (await startGateway({}, directory.path))[Symbol.asyncDispose]()
  const clock = examineSqlite(join(directory.path, 'hookferry.db'), [], 0).find(({ check }) => check === 'clock')
  expect(clock).toMatchObject({ state: 'warn', says: expect.stringContaining('lies ahead') as string })
  expect(compareClocks(10_000, 15_000, 'it').state).toBe('ok')
  expect(compareClocks(10_000, 15_001, 'it').state).toBe('warn')
  expect(compareClocks(15_001, 10_000, 'it').state).toBe('warn')
})

test('subnets that allow everything, or the metadata of clouds, are doubted', () => {
  expect(subnetDoubts(['0.0.0.0/0', '::/0', '169.254.0.0/16'])).toHaveLength(3)
  expect(subnetDoubts(['127.0.0.0/8', '10.0.0.0/8', 'fd00::/8', '::1'])).toEqual([])
})
