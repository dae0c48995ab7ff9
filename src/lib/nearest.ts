/** Longer words are not compared: they are no slip of the pen, and a comparison costs the product of the lengths. */
const CHARS_MAX = 64

/** Number of characters to insert, remove or replace to turn one word into the other. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    row = next
  }
  return row[b.length]!
}

/**
 * The known word that was probably meant: it differs by a third of its characters at most, or contains `word`. Null
 * when there is none.
 */
export function nearest(word: string, known: readonly string[]): string | null {
  if (word.length > CHARS_MAX || word === '') return null
  const plain = word.toLowerCase().replaceAll(/[-_ ]/g, '')
  const [best] = known
    .map((name) => ({ name, distance: editDistance(plain, name.replaceAll('_', '')) }))
    .filter(({ name, distance }) => distance <= name.length / 3 || name.split('_').includes(plain))
    .toSorted((a, b) => a.distance - b.distance)
  return best?.name ?? null
}
