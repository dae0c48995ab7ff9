#!/usr/bin/env node
/** The command line: `hookferry` runs the gateway, `hookferry init` writes a `.env` for a first try. */
import { existsSync } from 'node:fs'
import { initialise } from './cli/init.ts'
import { start } from './cli/start.ts'

const USAGE = `usage: hookferry          runs the gateway, configured by the environment
       hookferry init     writes a .env with fresh secrets, unless there is one
`

const [command, ...extra] = process.argv.slice(2)
if (command === undefined) await start(process.env)
else if (command === 'init' && extra.length === 0) initialise('.env', existsSync)
else {
  process.stderr.write(USAGE)
  process.exitCode = command === 'help' || command === '--help' ? 0 : 2
}
