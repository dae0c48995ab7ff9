import { type Effective, effectiveSettings } from '../config.ts'

/** Prints the settings that hold, each with its origin: a table, or JSON by variable. Secrets stay hidden. */
export function printConfig(environment: NodeJS.ProcessEnv, { asJson }: { asJson: boolean }): void {
  try {
    const settings = effectiveSettings(environment)
    process.stdout.write(asJson ? `${JSON.stringify(byVariable(settings), null, 2)}\n` : tableOf(settings))
  } catch (error) {
    for (const line of (error as Error).message.split('\n')) process.stderr.write(`hookferry: ${line}\n`)
    process.exitCode = 1
  }
}

const byVariable = (settings: readonly Effective[]) =>
  Object.fromEntries(settings.map(({ variable, value, source, isSecret }) => [variable, { value, source, isSecret }]))

/** Characters that a terminal would obey, or that would begin another line. */
const CONTROLS = /\p{C}|\u2028|\u2029/gu

/** Columns of equal width: the variable, the origin of its value, the value. */
function tableOf(settings: readonly Effective[]): string {
  const rows = settings.map(({ variable, source, value }) => [
    variable,
    source,
    value === null ? 'unset' : value === '' ? '(empty)' : value.replaceAll(CONTROLS, ' '),
  ])
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map(
      ([variable = '', source = '', value]) =>
        `${variable.padEnd(widths[0]!)}  ${source.padEnd(widths[1]!)}  ${value}\n`,
    )
    .join('')
}
