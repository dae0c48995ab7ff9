// npm run dev [-- --inspect …]
//
// The gateway from its sources with the settings of .env, which is written if there is none, started anew whenever a source
// changes. Arguments are Node.js's own. In a terminal its log is for people; elsewhere it is the JSON lines of production.

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { initialise } from '../src/cli/init.ts'
import { readable } from './readable.ts'

initialise('.env')

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const child = spawn(process.execPath, ['--watch', '--env-file=.env', ...process.argv.slice(2), main], {
  stdio: ['inherit', process.stdout.isTTY ? 'pipe' : 'inherit', 'inherit'],
})
child.stdout?.pipe(readable())

// Ctrl-C reaches every process of a terminal: this one waits for the gateway, which may have deliveries to finish.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => child.kill('SIGTERM'))
child.once('exit', (code) => (process.exitCode = code ?? 1))
