/** Creates, changes and removes sources. */
import type { Issue } from '../domain/errors.ts'
import type { AppId } from '../domain/ids.ts'
import { type Source, SOURCES_MAX } from '../domain/source.ts'
import { openSource, sourceKind } from '../sources/kinds.ts'
import type { ManageContext } from './context.ts'
import { edit } from './edit.ts'

export type SourceChange = Pick<Source, 'name' | 'enabled' | 'settings' | 'secrets'>

/** Says why the source could not work: the place, as members of its settings, and what would be valid. */
export function sourceProblem(source: Source): Pick<Issue, 'loc' | 'msg'> | null {
  try {
    openSource(source)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return { loc: [], msg: error.message }
  }
  const kind = sourceKind(source.provider)!
  for (const [i, { secret }] of source.secrets.entries()) {
    const msg = kind.secretProblem(secret, source.settings.own)
    if (msg !== null) return { loc: ['secrets', i, 'secret'], msg }
  }
  return null
}

/** `limit_reached`: the application has `SOURCES_MAX` sources. */
export async function createSource(
  { store, sources }: ManageContext,
  source: Source,
): Promise<'created' | 'name_taken' | 'unknown' | 'limit_reached'> {
  const result = await store.createSource(source, SOURCES_MAX)
  if (result === 'created') sources.forget(source)
  return result
}

/**
 * The source after the edit; null when there is none. Throws `edit_conflict` when other writers never stop changing it.
 */
export async function editSource(
  { store, clock, sources }: ManageContext,
  { appId, idOrName }: { appId: AppId; idOrName: string },
  change: (before: Source) => Partial<SourceChange>,
): Promise<Source | 'name_taken' | null> {
  const edited = await edit({
    now: clock.now(),
    change,
    read: () => store.findSource(appId, idOrName),
    write: (after: Source, before: Source) => store.updateSource(after, before.updatedAt),
  })
  if (edited === null || edited.result === 'unknown' || edited.result === 'refused') return null
  if (edited.result === 'name_taken') return 'name_taken'
  sources.forget(edited.before, edited.after)
  return edited.after
}

/** False when the source was deleted already. Events that came in through it are still delivered. */
export async function removeSource({ store, sources }: ManageContext, source: Source): Promise<boolean> {
  const wasThere = await store.deleteSource(source.appId, source.id)
  sources.forget(source)
  return wasThere
}
