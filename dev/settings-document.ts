/**
 * Writes the tables of docs/configuration.md from the table of settings: `npm run docs`. The text around them is written by
 * hand; a test fails when the tables are not what this writes.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import type { Setting } from '../src/settings/setting.ts'
import { SECTIONS } from '../src/settings/table.ts'

const PATH = new URL('../docs/configuration.md', import.meta.url)

const HEAD = ['| variable | default | meaning | valid values |', '|---|---|---|---|']

const rowOf = ({ variable, default: fallback, means, valid }: Setting<unknown>): string =>
  `| \`${variable}\` | ${fallback} | ${means} | ${valid} |`

/** The document with fresh tables: of each section the first one below its heading. Throws when there is none. */
export function withTables(markdown: string): string {
  let text = markdown
  for (const [heading, settings] of Object.entries(SECTIONS)) {
    const start = text.indexOf(`\n## ${heading}\n`)
    const table = start < 0 ? null : /(?:^\|.*\n)+/m.exec(text.slice(start))
    if (table === null) throw new Error(`docs/configuration.md has no table under "## ${heading}"`)
    const rows = [...HEAD, ...Object.values(settings).map(rowOf)].map((line) => `${line}\n`).join('')
    const at = start + table.index
    text = text.slice(0, at) + rows + text.slice(at + table[0].length)
  }
  return text
}

if (import.meta.main) writeFileSync(PATH, withTables(readFileSync(PATH, 'utf8')))
