/**
 * The command line: `hookferry` runs the gateway, `hookferry init` writes a `.env` for a first try, `hookferry token`
 * prints a token for the Svix API, `hookferry copy` moves a SQLite file into PostgreSQL, `hookferry rekey` encrypts
 * what is stored with the newest key, `hookferry backup` copies a SQLite file, `hookferry receiver` shows what is
 * delivered to it, `hookferry config` prints the settings that hold, `hookferry doctor` checks all that the gateway
 * needs.
 *
 * Each command is imported when it is called: most commands need a small part, and help needs none.
 */
import { VERSION } from '../lib/version.ts'

const USAGE = `usage: hookferry                   runs the gateway, configured by the environment
       hookferry init              writes a .env with fresh secrets, unless there is one
       hookferry token [org_…]     prints a token of an organization, the default one unless named
       hookferry copy sqlite:…     copies a SQLite file into the PostgreSQL of DATABASE_URL
       hookferry rekey             encrypts what is secret in the database with the newest key
       hookferry backup <file>     copies the SQLite file of DATABASE_URL, also while the gateway runs;
                                   --force replaces a file that is there
       hookferry receiver          prints what is delivered to http://127.0.0.1:9000/hook, checks signatures,
                                   and fails at /fail; --host, --port, --secret say otherwise
       hookferry config            prints the settings that hold and where they come from, without secrets;
                                   --json for programs
       hookferry doctor            checks settings, store, Redis, clock, files and port, also beside a gateway
                                   that runs, and says what to do
       hookferry help              prints this, as --help does
       hookferry version           prints the version, as --version does
`

const HELP = ['help', '--help', '-h']
const ASK_VERSION = ['version', '--version', '-v']

/** Runs the command line and sets the exit code: 2 when the command is unknown. */
export async function runCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<void> {
  const [command, ...extra] = args
  if (command !== undefined) process.stdout.on('error', endWithReader)
  if (command !== undefined && (HELP.includes(command) || extra.includes('--help'))) process.stdout.write(USAGE)
  else if (command !== undefined && ASK_VERSION.includes(command)) process.stdout.write(`${VERSION}\n`)
  else if (!(await runNamed(command, extra, environment))) {
    process.stderr.write(USAGE)
    process.exitCode = 2
  }
}

/** `hookferry config | head` closes the pipe once it has read enough: the command then has nothing left to do. */
function endWithReader(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
  process.exit()
}

/** False when there is no such command, or when the command does not take these arguments. */
async function runNamed(
  command: string | undefined,
  extra: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<boolean> {
  const [first] = extra
  switch (command) {
    case undefined: {
      const { start } = await import('./start.ts')
      await start(environment)
      return true
    }
    case 'init': {
      if (extra.length > 0) return false
      const { initialise } = await import('./init.ts')
      initialise('.env')
      return true
    }
    case 'copy': {
      if (first === undefined || extra.length > 1) return false
      const { copy } = await import('./copy.ts')
      await copy(first, environment)
      return true
    }
    case 'rekey': {
      if (extra.length > 0) return false
      const { rekey } = await import('./rekey.ts')
      await rekey(environment)
      return true
    }
    case 'token': {
      if (extra.length > 1) return false
      const { printToken } = await import('./token.ts')
      await printToken(first, environment)
      return true
    }
    case 'backup': {
      const [target, ...more] = extra.filter((one) => !one.startsWith('-'))
      const isForced = extra.includes('--force')
      if (target === undefined || more.length > 0 || extra.length > (isForced ? 2 : 1)) return false
      const { backup } = await import('./backup.ts')
      await backup(target, { isForced, environment })
      return true
    }
    case 'receiver': {
      const { receive } = await import('./receiver.ts')
      receive(extra)
      return true
    }
    case 'config': {
      const asJson = first === '--json'
      if (extra.length > (asJson ? 1 : 0)) return false
      const { printConfig } = await import('./config.ts')
      printConfig(environment, { asJson })
      return true
    }
    case 'doctor': {
      if (extra.length > 0) return false
      const { diagnose } = await import('./doctor.ts')
      await diagnose(environment)
      return true
    }
    default:
      return false
  }
}
