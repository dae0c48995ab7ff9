/** Another process with a store, for what only processes can do: hold a file, be killed, run out of disk. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { FromChild, ToChild } from './store-child.ts'

export const CHILD = [process.execPath, fileURLToPath(new URL('./store-child.ts', import.meta.url))] as const

export interface Child extends AsyncDisposable {
  readonly pid: number
  send(command: ToChild): void
  /** The next report; rejects when the process ends first. */
  next(): Promise<FromChild>
  /** Kills it as the kernel would, and returns the reports that came until then. */
  kill(): Promise<FromChild[]>
}

/** Starts `command`, which has to end in running the child on a store, and reads what it reports. */
export function startChild(command: readonly string[]): Child {
  const [program, ...args] = command
  const child = spawn(program!, args, { stdio: ['ignore', 'inherit', 'pipe', 'ipc'], serialization: 'advanced' })
  const reports: FromChild[] = []
  let errors = ''
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  child.on('message', (report) => reports.push(report as FromChild))
  const closed = once(child, 'close')
  return {
    pid: child.pid!,
    send: (command) => child.send(command),
    async next() {
      while (reports.length === 0) {
        if (hasEnded(child)) throw new Error(`the child ended: ${errors}`)
        await Promise.race([once(child, 'message'), closed])
      }
      return reports.shift()!
    },
    async kill() {
      child.kill('SIGKILL')
      await closed
      return reports.splice(0)
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await closed
    },
  }
}

const hasEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null
