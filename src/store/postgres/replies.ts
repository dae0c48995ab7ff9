import type { Reply } from '../shared/batcher.ts'
import { isUnavailable } from './trouble.ts'

export const succeeded = <A>(values: readonly A[]): Reply<A>[] => values.map((value) => ({ ok: true, value }))

/**
 * Carries out a batch as one. If a call of it is at fault, each is tried alone: a bad call must not fail the others.
 */
export async function repliesOf<C, A>(
  calls: readonly C[],
  run: (calls: readonly C[]) => Promise<Reply<A>[]>,
): Promise<Reply<A>[]> {
  if (calls.length === 0) return []
  try {
    return await run(calls)
  } catch (error) {
    if (calls.length === 1 || isUnavailable(error)) return calls.map(() => ({ ok: false, error }))
  }
  const replies: Reply<A>[] = []
  for (const call of calls) replies.push(...(await repliesOf([call], run)))
  return replies
}
