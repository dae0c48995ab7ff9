/** An interactive shell that everything is pasted into at once, as a reader does: what reads its input away, loses the rest. */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Without a reader's own settings, which no README can know. */
const SHELLS = {
  bash: ['--norc', '--noprofile', '--noediting', '-i'],
  zsh: ['-f', '-i'],
} as const

export type Shell = keyof typeof SHELLS

export interface Pasting {
  shell: Shell
  /** Where it begins. */
  directory: string
  /** Gets the `.curlrc` that reports each answer's status. */
  home: string
  environment: NodeJS.ProcessEnv
  timeoutMs: number
}

/** What a piece came to. */
export interface Result {
  text: string
  stdout: string
  /** Of its last command; null if the shell did not get so far. */
  exitCode: number | null
  /** Of each answer that a `curl` got, in order; 0 where there was none. */
  statuses: number[]
  /** What the shell itself did not understand. */
  complaints: string[]
}

/** How curl and the marks are told from everything else. */
const STATUS = /\[walkthrough status (\d+)\]/g
const markOf = (index: number): string => `[walkthrough end ${index}]`
const JOB_CONTROL = /no job control|cannot set terminal process group/

/** Pastes `pieces` and resolves when the shell has ended. */
export async function paste(pieces: readonly string[], { shell, ...options }: Pasting): Promise<Result[]> {
  writeFileSync(join(options.home, '.curlrc'), 'write-out = "%{stderr}\\n[walkthrough status %{http_code}]\\n"\n')
  const child = spawn(shell, SHELLS[shell], {
    cwd: options.directory,
    env: { ...options.environment, CURL_HOME: options.home, PS1: '', PS2: '', TERM: 'dumb' },
    // A session of its own, so that it does not take the terminal from whoever runs this.
    detached: true,
    timeout: options.timeoutMs,
    killSignal: 'SIGKILL',
  })
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].on('data', (chunk: Buffer) => (output[name] += chunk.toString()))
  const ended = new Promise<void>((resolve, reject) => child.once('error', reject).once('close', () => resolve()))
  child.stdin.on('error', () => {}) // The shell has ended: the marks that are missing tell where.
  child.stdin.end(
    pieces
      .map((text, index) => `${text}\nprintf '%s %s\\n' '${markOf(index)}' $?; echo '${markOf(index)}' >&2\n`)
      .join(''),
  )
  await ended
  return pieces.map((text, index) => resultOf(text, index, output))
}

function resultOf(text: string, index: number, output: { stdout: string; stderr: string }): Result {
  const between = (all: string): string => {
    const from = index === 0 ? 0 : all.indexOf(markOf(index - 1))
    const to = all.indexOf(markOf(index))
    if (from === -1) return ''
    return all.slice(index === 0 ? 0 : from + markOf(index - 1).length, to === -1 ? undefined : to)
  }
  const stderr = between(output.stderr)
  const [, exitCode] = new RegExp(`\\[walkthrough end ${index}\\] (\\d+)`).exec(output.stdout) ?? []
  return {
    text,
    // The rest of the mark before it is that piece's exit code.
    stdout: between(output.stdout).replace(/^ \d+\n/, ''),
    exitCode: exitCode === undefined ? null : Number(exitCode),
    statuses: Array.from(stderr.matchAll(STATUS), ([, status]) => Number(status)),
    complaints: stderr.split('\n').filter((line) => /\b(?:bash|zsh): /.test(line) && !JOB_CONTROL.test(line)),
  }
}
