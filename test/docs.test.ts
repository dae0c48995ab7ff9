import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'
import { withTables } from '../dev/settings-document.ts'
import { readConfig } from '../src/config.ts'
import { ERRORS } from '../src/domain/errors.ts'
import { SVIX_ERRORS } from '../src/http/svix/problems.ts'
import { SETTINGS } from '../src/settings/table.ts'

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8')

const byText = (a: string, b: string) => (a < b ? -1 : 1)

/** The cells of all table rows that begin with a name in backticks, without the backticks of that name. */
const tableRows = (markdown: string): string[][] =>
  [...markdown.matchAll(/^\| `(\w+)` \|(.*)\|$/gm)].map(([, name = '', rest = '']) => [
    name,
    ...rest.split('|').map((cell) => cell.trim()),
  ])

const namesOf = (rows: string[][]): string[] => rows.map(([name = '']) => name).sort()

describe('docs/errors.md', () => {
  const rows = tableRows(read('../docs/errors.md'))

  test('lists every error code once, and no other', () => {
    expect(namesOf(rows)).toEqual(Object.keys(ERRORS).sort())
  })

  test('gives each code its status, a meaning and a way out', () => {
    for (const [code = '', ...cells] of rows) {
      const { status } = ERRORS[code as keyof typeof ERRORS]
      const words = expect.stringMatching(/.{5}/)
      expect([code, ...cells]).toEqual([code, String(status), words, words])
    }
  })
})

describe('docs/svix-api.md', () => {
  const codes = [...read('../docs/svix-api.md').matchAll(/^\| `([a-z_ ]+)` \| (\d{3}) \|(.*)\|$/gm)]

  test('lists every code of the Svix API once, with its status', () => {
    expect(codes.map(([, code, status]) => `${code} ${status}`).toSorted(byText)).toEqual(
      Object.entries(SVIX_ERRORS)
        .map(([code, { status }]) => `${code} ${status}`)
        .toSorted(byText),
    )
  })
})

describe('docs/configuration.md', () => {
  const markdown = read('../docs/configuration.md')
  const rows = tableRows(markdown)
  const variables = Object.values(SETTINGS).map(({ variable }) => variable)

  test('has the tables that `npm run docs` writes from the table of settings', () => {
    expect(withTables(markdown)).toBe(markdown)
  })

  test('lists every setting once, and no other', () => {
    expect(variables).toContain('DATABASE_URL')
    expect(namesOf(rows)).toEqual(variables.toSorted())
  })

  test.each([
    // These are the image's own.
    ['../docker-compose.yml', ['HOST', 'PORT']],
    ['../compose.scale.yml', []],
  ])('has nothing that %s does not pass on', (path, own) => {
    const passed = new Set(
      Array.from(read(path).matchAll(/^ {2,6}(?:- )?([A-Z][A-Z_]+)(?=[:=]|$)/gm), ([, name]) => name),
    )
    expect(variables.filter((name) => !passed.has(name) && !own.includes(name))).toEqual([])
  })

  test('says of each what it means and what is valid', () => {
    const words = expect.stringMatching(/.{2}/)
    for (const cells of rows) expect(cells).toEqual([words, words, words, words])
  })

  test('gives the defaults that hold', () => {
    const defaults = readConfig({})
    for (const [name = '', text = ''] of rows) {
      if (text === 'unset') continue
      const [, value] = /^`([^`]+)`/.exec(text) ?? []
      expect([name, value && readConfig({ [name]: value })]).toEqual([name, defaults])
    }
  })
})

describe('links between documents', () => {
  const root = join(import.meta.dirname, '..')
  const pages = globSync('{*,docs/*,bench/*,.github/*,.changeset/README}.md', { cwd: root })
  const textOf = (page: string) => readFileSync(join(root, page), 'utf8').replaceAll(/^```[\s\S]*?^```/gm, '')
  /** As the usual hosts make them of headings. */
  const anchorsOf = (page: string): string[] =>
    Array.from(textOf(page).matchAll(/^#+ (.*)$/gm), ([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replaceAll(/\s/g, '-'),
    )

  test.each(pages)('of %s lead to files and headings that exist', (page) => {
    const links = Array.from(textOf(page).matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g), ([, link = '']) => link)
    const broken = links.filter((link) => {
      const [path = '', anchor] = link.split('#', 2)
      const target = path === '' ? page : normalize(join(dirname(page), path))
      if (!existsSync(join(root, target))) return true
      return anchor !== undefined && target.endsWith('.md') && !anchorsOf(target).includes(anchor)
    })
    expect(broken).toEqual([])
  })
})

describe('lines of documents', () => {
  const root = join(import.meta.dirname, '..')
  const pages = globSync('{*,docs/*,bench/*,.github/*}.md', { cwd: root })

  test.each(pages)('of %s have at most 120 characters, outside of tables and code', (page) => {
    const prose = readFileSync(join(root, page), 'utf8').replaceAll(/^ *```[\s\S]*?^ *```/gm, '')
    expect(prose.split('\n').filter((line) => !line.startsWith('|') && line.length > 120)).toEqual([])
  })
})
