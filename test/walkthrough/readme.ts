/** The commands of the README, in the order in which a reader meets them. */

/** After `docker compose --profile try up`, or after `make run` and `npm run receiver`. */
export type Way = 'docker' | 'checkout'

/** A block to paste, or an example out of a table. */
export interface Piece {
  section: string
  text: string
}

/** The sections that a reader walks through. The commands of the others want more than a first try has. */
export const SECTIONS: readonly string[] = [
  'Start',
  'Five minutes',
  'Every route',
  'With the Svix SDKs',
  'The inbox',
  'To Svix',
]

const FENCE = /^```(.*)$/
const EXAMPLE = /`(curl [^`]+)`/

/**
 * A fenced block belongs to both ways if its info string is `sh`, and to one if it is `sh docker` or `sh checkout`. What
 * says neither (other languages, answers) is not for a shell.
 */
export function piecesOf(markdown: string, way: Way): Piece[] {
  const pieces: Piece[] = []
  let section = ''
  let block: { info: string; lines: string[] } | null = null
  for (const line of markdown.split('\n')) {
    const [, info] = FENCE.exec(line) ?? []
    if (block !== null) {
      if (info === undefined) block.lines.push(line)
      else {
        const [language, only] = block.info.split(' ')
        if (language === 'sh' && (only === undefined || only === way))
          pieces.push({ section, text: block.lines.join('\n') })
        block = null
      }
    } else if (info !== undefined) block = { info, lines: [] }
    else if (line.startsWith('## ')) section = line.slice(3)
    else if (line.startsWith('| ')) {
      const [, text] = EXAMPLE.exec(line) ?? []
      if (text !== undefined) pieces.push({ section, text })
    }
  }
  return pieces.filter((piece) => SECTIONS.includes(piece.section))
}

/**
 * The routes that "Every route" has a row for, such as `GET /stats`. A method without a path, as in "`GET`, `PUT /a`", has the
 * next path of its row.
 */
export const routesOf = (markdown: string): string[] =>
  Array.from(markdown.matchAll(/^\| (`(?:GET|POST|PUT|PATCH|DELETE)[ `].*?) \|/gm), ([, cell = '']) => {
    const spans = Array.from(cell.matchAll(/`([A-Z]+)( \/[^`]*)?`/g), ([, method = '', path]) => ({ method, path }))
    return spans.map(({ method, path }, index) => {
      const next = spans.slice(index).find((span) => span.path !== undefined)
      return `${method}${path ?? next?.path ?? ''}`
    })
  }).flat()
