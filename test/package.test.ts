/** The npm package as its users get it: packed, unpacked elsewhere beside its runtime dependencies only, and run. */
import { execFile } from 'node:child_process'
import { copyFileSync, existsSync, globSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Program, temporaryDirectory } from './acceptance/gateway.ts'

const ROOT = join(import.meta.dirname, '..')
const run = promisify(execFile)

interface Package {
  version: string
  engines: { node: string }
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
}

const readJson = <T>(path: string): T => JSON.parse(readFileSync(join(ROOT, path), 'utf8')) as T
const packageJson = readJson<Package>('package.json')

const directory = temporaryDirectory()
afterAll(() => directory[Symbol.dispose]())
const installed = join(directory.path, 'node_modules/hookferry')
const main = join(installed, 'dist/main.js')

/** What `npm install --omit=dev` would put beside the package, linked from here. */
function linkRuntimePackages(): void {
  const { packages } = readJson<{ packages: Record<string, { dev?: boolean }> }>('package-lock.json')
  for (const [path, { dev }] of Object.entries(packages)) {
    const isTopLevel = path.lastIndexOf('node_modules/') === 0
    if (!isTopLevel || dev === true || !existsSync(join(ROOT, path))) continue
    mkdirSync(dirname(join(directory.path, path)), { recursive: true })
    symlinkSync(join(ROOT, path), join(directory.path, path))
  }
}

beforeAll(async () => {
  const stage = join(directory.path, 'stage')
  const compiler = join(ROOT, 'node_modules/.bin/tsc')
  await run(compiler, ['-p', 'tsconfig.build.json', '--outDir', join(stage, 'dist')], { cwd: ROOT })
  for (const file of ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md'])
    copyFileSync(join(ROOT, file), join(stage, file))
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', directory.path], { cwd: stage })
  mkdirSync(installed, { recursive: true })
  const tarball = join(directory.path, `hookferry-${packageJson.version}.tgz`)
  await run('tar', ['-xzf', tarball, '-C', installed, '--strip-components=1'])
  linkRuntimePackages()
}, 120_000)

describe('the package', () => {
  test('has the compiled program, three documents, and nothing else', () => {
    const files = globSync('**', { cwd: installed }).filter((path) => /\.\w+$/.test(path) || path === 'LICENSE')
    expect(files.filter((path) => !path.startsWith('dist')).toSorted()).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'package.json',
    ])
    expect(files).toContain(join('dist', 'main.js'))
    expect(files.filter((path) => path.includes('.test.'))).toEqual([])
  })

  test('runs the gateway', async () => {
    await using program = new Program(directory.path, {}, [], [main])
    const client = await program.client()
    expect((await client.send('/health/ready')).status).toBe(200)
    const { info } = (await client.send('/openapi.json')).json<{ info: { version: string } }>()
    expect(info.version).toBe(packageJson.version)
    program.signal('SIGINT')
    expect(await program.exited()).toBe(0)
  })

  test.each(['version', '--version'])('says its version when asked for %s', async (command) => {
    await using program = new Program(directory.path, {}, [command], [main])
    expect(await program.exited()).toBe(0)
    expect(program.stdout).toEqual([packageJson.version])
  })

  test('begins with the line that makes it a command', () => {
    expect(readFileSync(main, 'utf8').split('\n')[0]).toBe('#!/usr/bin/env node')
  })

  test('lets programs embed the gateway', async () => {
    const embedding = join(directory.path, 'embedding.js')
    writeFileSync(
      embedding,
      `import { buildApp } from 'hookferry/app'
       import { readConfig } from 'hookferry/config'
       import { createLog } from 'hookferry/log'
       const { config, secrets } = readConfig(process.env)
       const { log, flush } = createLog('SILENT')
       const app = await buildApp({ config, secrets, log, onFatal: (error) => { throw error } })
       const { status } = await fetch(await app.listen() + '/health/live')
       console.log(status)
       await app[Symbol.asyncDispose]()
       flush()`,
    )
    await using program = new Program(directory.path, {}, [], [embedding])
    expect([await program.exited(), program.stdout, program.stderr]).toEqual([0, ['200'], ''])
  })
})

describe('Node.js', () => {
  const minimum = /^>=(\d+)$/.exec(packageJson.engines.node)?.[1] ?? ''

  test('of a version that is too old is told so in one line, and nothing else is read', async () => {
    const older = `${Number(minimum) - 1}.9.9`
    const pretend = `data:text/javascript,Object.defineProperty(process, 'versions', { value: { node: '${older}' } })`
    await using program = new Program(directory.path, {}, [], ['--import', pretend, main])
    expect(await program.exited()).toBe(1)
    expect(program.stdout).toEqual([])
    const line = `hookferry: Node.js ${minimum} or newer is needed, and this is ${older}: https://nodejs.org/en/download\n`
    expect(program.stderr).toBe(line)
    // Whatever is imported above the check would be read before it.
    expect(readFileSync(main, 'utf8')).not.toMatch(/^(import|export)\b(?! \{\};)/m)
  })

  test('is the same version for whoever develops, in .node-version and as a package', () => {
    const version = readFileSync(join(ROOT, '.node-version'), 'utf8').trim()
    expect(version).toBe(packageJson.devDependencies['node'])
    expect(Number(version.split('.')[0])).toBeGreaterThanOrEqual(Number(minimum))
  })
})

test('every dependency is an exact version', () => {
  const all = Object.entries({ ...packageJson.dependencies, ...packageJson.devDependencies })
  expect(all.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([])
})
