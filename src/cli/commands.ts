/**
 * The command line: `hookferry` runs the gateway, `hookferry init` writes a `.env` for a first try, `hookferry token` prints a
 * token for the Svix API, `hookferry copy` moves a SQLite file into PostgreSQL, `hookferry rekey` encrypts what is stored
 * with the newest key, `hookferry backup` copies a SQLite file, `hookferry receiver` shows what is delivered to it.
 */
import { existsSync } from 'node:fs'
import { VERSION } from '../lib/version.ts'
import { backup } from './backup.ts'
import { copy } from './copy.ts'
import { initialise } from './init.ts'
import { receive } from './receiver.ts'
import { rekey } from './rekey.ts'
import { start } from './start.ts'
import { printToken } from './token.ts'

const USAGE = `usage: hookferry                   runs the gateway, configured by the environment
       hookferry init              writes a .env with fresh secrets, unless there is one
       hookferry token [org_…]     prints a token of an organization, the default one unless named
       hookferry copy sqlite:…     copies a SQLite file into the PostgreSQL of DATABASE_URL
       hookferry rekey             encrypts what is secret in the database with the newest key
       hookferry backup <file>     copies the SQLite file of DATABASE_URL, also while the gateway runs;
                                   --force replaces a file that is there
       hookferry receiver          prints what is delivered to http://127.0.0.1:9000/hook, checks signatures,
                                   and fails at /fail; --host, --port, --secret say otherwise
       hookferry help              prints this, as --help does
       hookferry version           prints the version, as --version does
`

const HELP = ['help', '--help', '-h']
const ASK_VERSION = ['version', '--version', '-v']

/** Does what the command line asks for, and sets the exit code: 2 when nobody could know what was meant. */
export async function runCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<void> {
  const [command, ...extra] = args
  const names = extra.filter((one) => !one.startsWith('-'))
  const isForced = extra.includes('--force')
  if (command === undefined) await start(environment)
  else if (HELP.includes(command) || extra.includes('--help')) process.stdout.write(USAGE)
  else if (ASK_VERSION.includes(command)) process.stdout.write(`${VERSION}\n`)
  else if (command === 'init' && extra.length === 0) initialise('.env', existsSync)
  else if (command === 'copy' && extra.length === 1) await copy(extra[0]!, environment)
  else if (command === 'rekey' && extra.length === 0) await rekey(environment)
  else if (command === 'receiver') receive(extra)
  else if (command === 'token' && extra.length <= 1) await printToken(extra[0], environment)
  else if (command === 'backup' && names.length === 1 && extra.length === (isForced ? 2 : 1))
    await backup(names[0]!, { isForced, environment })
  else {
    process.stderr.write(USAGE)
    process.exitCode = 2
  }
}
