import { randomBytes } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'

/** Writes `path` with fresh secrets, unless the file exists. Its settings are for a first try on this machine. */
export function initialise(path: string): void {
  if (existsSync(path)) return
  const secret = randomBytes(24).toString('hex')
  const text = `# Written for a first try on this machine; docs/configuration.md tells what else there is.

# Checks the signatures of POST /webhook.
WEBHOOK_SECRET=${secret}

# One file holds everything.
DATABASE_URL=sqlite:./data/hookferry.db

# Receivers on this machine are refused by default: a gateway that delivers to loopback would let whoever registers a
# subscription reach everything that listens here. For local trials it is what one wants.
ALLOWED_SUBNETS=127.0.0.0/8,::1

# Without API_KEY the management routes are open, and the gateway listens on 127.0.0.1 only.
# API_KEY=${randomBytes(24).toString('hex')}
`
  writeFileSync(path, text, { mode: 0o600, flag: 'wx' })
  process.stderr.write(`wrote ${path} with fresh secrets\n`)
}
