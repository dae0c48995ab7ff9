import { rekeyData } from './database.ts'
import { readConfig } from '../config.ts'

/** Encrypts the secrets in the database with the newest key, and says which keys are still needed. */
export async function rekey(environment: NodeJS.ProcessEnv): Promise<void> {
  const say = (line: string) => process.stderr.write(`hookferry: ${line}\n`)
  try {
    const { config, secrets } = readConfig(environment)
    const { newest, counts, unused, problems } = await rekeyData(config, secrets, ({ rewritten }) =>
      say(`${rewritten} records rewritten`),
    )
    process.stdout.write(`${newest} ${counts.get(newest) ?? 0} newest\n`)
    for (const [id, count] of counts) if (id !== newest) process.stdout.write(`${id ?? 'plain'} ${count}\n`)
    for (const id of unused) process.stdout.write(`${id} 0 unused\n`)
    for (const problem of problems) say(problem)
    for (const id of unused)
      say(`nothing is under the key ${id} any more: take it out of the list when no gateway has it first`)
    const isLeft = [...counts.keys()].some((id) => id !== newest)
    if (problems.length > 0) process.exitCode = 1
    else if (isLeft)
      say('a gateway still writes with another key: start all of them with the newest one first, and run this again')
    else say(`everything is encrypted with the key ${newest}`)
  } catch (error) {
    for (const line of (error as Error).message.split('\n')) say(line)
    process.exitCode = 1
  }
}
