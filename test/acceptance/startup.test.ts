import { createHmac } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import { Program, startGateway, temporaryDirectory } from './gateway.ts'

test('a line break at the end of a key is no part of it, and the log says so', async () => {
  using directory = temporaryDirectory()
  await using program = new Program(directory.path, { WEBHOOK_SECRET: 'testsecret\n' })
  const client = await program.client()
  const body = '{"message_id":"m1","from":"+1","to":"+2","ts":"2025-01-15T10:00:00Z"}'
  const signature = createHmac('sha256', 'testsecret').update(body).digest('hex')
  expect((await client.send('/webhook', { body, headers: { 'x-signature': signature } })).status).toBe(200)
  const warnings = program.log.filter((line) => line['level'] === 'WARN').map((line) => String(line['msg']))
  expect(warnings).toContainEqual(expect.stringMatching(/^WEBHOOK_SECRET ends with a line break/))
  expect(warnings).toContainEqual(expect.stringMatching(/^SVIX_TOKEN is not set: /))
})

describe('what keeps the gateway from starting is said on standard error, with exit code 1', () => {
  async function complaint(directory: string, environment: NodeJS.ProcessEnv = {}): Promise<string[]> {
    await using program = new Program(directory, environment)
    expect(await program.exited()).toBe(1)
    expect(program.stdout).toEqual([])
    const lines = program.stderr.trimEnd().split('\n')
    for (const line of lines) expect(line).toMatch(/^hookferry: \S/)
    return lines.map((line) => line.slice('hookferry: '.length))
  }

  test('bad configuration, all of it, each problem with its variable', async () => {
    using directory = temporaryDirectory()
    const lines = await complaint(directory.path, {
      PORT: 'http',
      RETRY_SCHEDULE: 'soon',
      MAX_BODY: '1',
      ALLOWED_SUBNETS: 'home',
    })
    expect(lines.map((line) => line.replace(/:.*/, '')).sort()).toEqual([
      'ALLOWED_SUBNETS',
      'MAX_BODY',
      'PORT',
      'RETRY_SCHEDULE',
    ])
    expect(existsSync(join(directory.path, 'hookferry.db'))).toBe(false)
  })

  test('a port that is taken, and an address that is none of this machine', async () => {
    using directory = temporaryDirectory()
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    // Otherwise the log would say that a key was made.
    const ENCRYPTION_KEY = Buffer.alloc(32, 7).toString('base64')
    const taken = await complaint(directory.path, { ENCRYPTION_KEY, PORT: String(port) })
    expect(taken).toEqual([expect.stringMatching(`${port}.*taken.*PORT`)])
    server.close()
    const elsewhere = await complaint(directory.path, { ENCRYPTION_KEY, HOST: '192.0.2.1' })
    expect(elsewhere).toEqual([expect.stringMatching('^HOST: 192.0.2.1')])
  })

  test.each([
    ['is no database', (path: string) => writeFileSync(path, 'no database at all, but long enough'.repeat(100))],
    ['is damaged', damage],
    ['was cut off', (path: string) => truncateSync(path, statSync(path).size / 2)],
  ])('a file that %s', async (_name, ruin) => {
    using directory = temporaryDirectory()
    const path = join(directory.path, 'hookferry.db')
    await (await startGateway({}, directory.path))[Symbol.asyncDispose]()
    ruin(path)
    const ruined = readFileSync(path)
    const [line, ...more] = await complaint(directory.path)
    expect(line).toContain(path)
    expect(line).toMatch(/damaged.*backup/)
    expect(more).toEqual([])
    expect(readFileSync(path).equals(ruined)).toBe(true)
  })

  test('the database of some other program, which is left alone', async () => {
    using directory = temporaryDirectory()
    using database = new DatabaseSync(join(directory.path, 'hookferry.db'))
    database.exec('CREATE TABLE precious (id INTEGER)')
    expect(await complaint(directory.path)).toEqual([expect.stringContaining('some other program')])
    expect(database.prepare('SELECT name FROM sqlite_schema').all()).toHaveLength(1)
  })

  test('a path that cannot be written, and a file that another gateway has', async () => {
    using directory = temporaryDirectory()
    const file = join(directory.path, 'a-file')
    writeFileSync(file, '')
    const folder = join(directory.path, 'a-folder')
    mkdirSync(folder)
    for (const path of [join(file, 'hookferry.db'), folder]) {
      const lines = await complaint(directory.path, { DATABASE_URL: `sqlite:${path}` })
      expect(lines).toEqual([expect.stringMatching(/cannot be (created|written).*permissions|is a directory/)])
      expect(lines[0]).toContain(path)
    }
    await using running = await startGateway({}, directory.path)
    expect(await complaint(directory.path)).toEqual([expect.stringContaining('another running gateway')])
    expect((await running.send('/health/ready')).status).toBe(200)
  })
})

/** Overwrites the page that says where everything is. */
function damage(path: string): void {
  const bytes = readFileSync(path)
  bytes.fill(0xff, 100, 4_096)
  writeFileSync(path, bytes)
}

describe('the command line', () => {
  async function run(directory: string, command: string, environment: NodeJS.ProcessEnv = {}) {
    await using program = new Program(directory, environment, command.split(' '))
    const exitCode = await program.exited()
    return { exitCode, stdout: program.stdout, stderr: program.stderr }
  }

  test('init writes a private .env with fresh secrets, once', async () => {
    using directory = temporaryDirectory()
    const path = join(directory.path, '.env')
    expect(await run(directory.path, 'init')).toMatchObject({ exitCode: 0, stdout: [] })
    const text = readFileSync(path, 'utf8')
    expect(text).toMatch(/^WEBHOOK_SECRET=[0-9a-f]{48}$/m)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(await run(directory.path, 'init')).toMatchObject({ exitCode: 0 })
    expect(readFileSync(path, 'utf8')).toBe(text)
  })

  test('rekey brings the file under the newest key, and says which one may go', async () => {
    using directory = temporaryDirectory()
    const [old, newest] = [1, 2].map((n) => Buffer.alloc(32, n).toString('base64'))
    const withKeys = async (keys: string) => {
      await using program = new Program(directory.path, { ENCRYPTION_KEY: keys })
      await program.address()
      program.signal('SIGTERM')
      expect(await program.exited()).toBe(0)
    }
    await withKeys(old!)
    const keys = `${newest},${old}`
    expect(await run(directory.path, 'rekey', { ENCRYPTION_KEY: keys })).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/^hookferry: no gateway has been started with the first key/),
    })
    await withKeys(keys)
    const { exitCode, stdout, stderr } = await run(directory.path, 'rekey', { ENCRYPTION_KEY: keys })
    expect([exitCode, stdout]).toEqual([
      0,
      [expect.stringMatching(/^[0-9a-f]{8} 1 newest$/), expect.stringMatching(/^[0-9a-f]{8} 0 unused$/)],
    ])
    expect(stderr).toMatch(/everything is encrypted with the key [0-9a-f]{8}\n$/)
    await withKeys(newest!)
  })

  test('token prints the same token’s key beside a running gateway, with the key file', async () => {
    using directory = temporaryDirectory()
    await using program = new Program(directory.path)
    const address = await program.address()
    const { exitCode, stdout } = await run(directory.path, 'token')
    expect(exitCode).toBe(0)
    const answer = await fetch(`${address}/api/v1/app`, { headers: { authorization: `Bearer ${stdout[0]}` } })
    expect(answer.status).toBe(200)
  })

  test('explains itself to whoever asks for something else', async () => {
    using directory = temporaryDirectory()
    expect(await run(directory.path, 'nonsense')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('usage'),
    })
    for (const command of ['--help', 'help', 'backup --help']) {
      const { exitCode, stdout } = await run(directory.path, command)
      expect(exitCode).toBe(0)
      const listed = stdout.map((line) => /hookferry( [a-z]+)? /.exec(line)?.[1]?.trim())
      expect(listed).toEqual(expect.arrayContaining(['init', 'token', 'copy', 'rekey', 'backup', 'help', 'version']))
    }
    for (const command of ['backup', 'backup a b', 'backup --forced a'])
      expect(await run(directory.path, command)).toMatchObject({ exitCode: 2 })
  })
})
