/** Two generators make a client from each document. A program with it compiles, and works with a gateway. */
import { execFile } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { generateSource } from 'oazapfts'
import { generate } from 'openapi-typescript-codegen'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { temporaryDirectory } from '../acceptance/gateway.ts'
import { sign, startSvixGateway } from '../svix/svix-gateway.ts'
import { PATHS } from './documents.ts'
import { CODEGEN, OAZAPFTS } from './rounds.ts'

const run = promisify(execFile)
const ROOT = new URL('../..', import.meta.url).pathname
const { gateway, ...gate } = await startSvixGateway()
const directory = temporaryDirectory()
afterAll(async () => {
  await gate[Symbol.asyncDispose]()
  directory[Symbol.dispose]()
})

type Kind = keyof typeof PATHS

const GENERATORS = {
  oazapfts: {
    rounds: OAZAPFTS,
    make: async (document: string, place: string) =>
      writeFileSync(join(place, 'client.ts'), await generateSource(document)),
  },
  'openapi-typescript-codegen': {
    rounds: CODEGEN,
    make: (document: string, place: string) =>
      generate({ input: document, output: join(place, 'client'), clientName: 'Client', httpClient: 'fetch' }),
  },
}
type Generator = keyof typeof GENERATORS

const ALL = (Object.keys(GENERATORS) as Generator[]).flatMap((generator) =>
  (Object.keys(PATHS) as Kind[]).map((kind) => [generator, kind] as const),
)
const placeOf = (generator: string, kind: string) => join(directory.path, generator, kind)

/** With the compiler's usual settings of a program that a bundler makes. */
const COMPILER = {
  strict: true,
  noEmit: true,
  target: 'es2022',
  module: 'esnext',
  moduleResolution: 'bundler',
  lib: ['es2022', 'dom', 'dom.iterable'],
  types: [],
  skipLibCheck: true,
}

beforeAll(async () => {
  // What the clients import is found from where they are.
  symlinkSync(join(ROOT, 'node_modules'), join(directory.path, 'node_modules'))
  writeFileSync(
    join(directory.path, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: COMPILER, include: ['*/*/**/*.ts'] }),
  )
  for (const [generator, kind] of ALL) {
    const place = placeOf(generator, kind)
    mkdirSync(place, { recursive: true })
    const document = join(place, 'openapi.json')
    writeFileSync(document, (await gateway.send(PATHS[kind])).bytes)
    await GENERATORS[generator].make(document, place)
    writeFileSync(join(place, 'round.ts'), GENERATORS[generator].rounds[kind])
  }
})

test('the clients, and programs with them, compile', async () => {
  const compiler = join(ROOT, 'node_modules/.bin/tsc')
  const { stdout } = await run(compiler, ['-p', directory.path]).catch((error: unknown) => error as { stdout: string })
  expect(stdout).toBe('')
})

test.each(ALL)('a program with what %s makes of the %s document makes, reads, changes and deletes', async (...of) => {
  const [generator, kind] = of
  const { round } = (await import(/* @vite-ignore */ join(placeOf(generator, kind), 'round.ts'))) as {
    round: (url: string, token: string) => Promise<unknown[]>
  }
  const seen = await round(gateway.url, await sign({ sub: 'org_acme' }))
  expect(seen).toEqual(
    kind === 'plain'
      ? [1, 5, 'http://127.0.0.1:9/other', 202, 'order.paid', 204, 'subscription_not_found']
      : [
          generator === 'oazapfts' ? 'oazapfts' : 'codegen',
          1,
          'The first',
          'order.paid',
          204,
          'not_found',
          'generic_error',
        ],
  )
})
