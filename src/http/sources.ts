import { z } from 'zod'
import { DEFAULT_APP } from '../domain/application.ts'
import { GatewayError, invalid } from '../domain/errors.ts'
import { blankSource, type Source, SOURCES_MAX } from '../domain/source.ts'
import { createSource, editSource, removeSource, sourceProblem } from '../manage/sources.ts'
import { urlText } from './bounded.ts'
import { closed } from './closed.ts'
import type { HttpContext, Server } from './context.ts'
import { named } from './described.ts'
import { readBounded } from './page-bytes.ts'
import { count, limitParameter, offsetParameter, Refusal, ValidationRefusal } from './schemas.ts'
import { settled, SourceInput, SourceOut, SourcePatch, SourceSecrets, toSecrets, toSource } from './source-schemas.ts'

const LIST_MAX = 250

const SourceList = named(
  'SourceList',
  z.object({ data: z.array(SourceOut), total: count, limit: count, offset: count }),
)
const NAME_TAKEN = 'is the name of another source'

/** Throws `validation` when the source could not work. */
function checkedSource<T extends Source>(source: T): T {
  const problem = sourceProblem(source)
  if (problem !== null) throw invalid(['body', ...problem.loc], problem.msg)
  return source
}

export function sourceRoutes(app: Server, { store, manage, clock, ids }: HttpContext): void {
  const Input = closed(SourceInput, SourceOut)
  const Patch = closed(SourcePatch, SourceOut)
  const common = { tags: ['sources'], security: [{ management: [] }] }
  const config = { management: true }
  const params = z.object({ id: urlText().describe('Id or name') })

  async function find(idOrName: string): Promise<Source> {
    const source = await store.findSource(DEFAULT_APP, idOrName)
    if (source === null) throw new GatewayError('source_not_found')
    return source
  }

  async function edit(idOrName: string, change: (before: Source) => Partial<Source>): Promise<Source> {
    const edited = await editSource(manage, { appId: DEFAULT_APP, idOrName }, (before) => {
      const after = change(before)
      checkedSource({ ...before, ...after })
      return after
    })
    if (edited === 'name_taken') throw invalid(['body', 'name'], NAME_TAKEN)
    if (edited === null) throw new GatewayError('source_not_found')
    return edited
  }

  app.post(
    '/sources',
    {
      config,
      schema: {
        ...common,
        operationId: 'createSource',
        summary: 'Create a source: a door for a sender that signs',
        body: Input,
        response: { 201: SourceOut, 422: z.union([ValidationRefusal, Refusal]) },
      },
    },
    async (request, reply) => {
      const now = clock.now()
      const { name, provider } = request.body
      const empty = blankSource({ appId: DEFAULT_APP, id: ids.next('src', now), name, provider, now })
      const source = checkedSource({ ...empty, ...settled(request.body, empty) })
      const result = await createSource(manage, source)
      if (result === 'name_taken') throw invalid(['body', 'name'], NAME_TAKEN)
      if (result !== 'created')
        throw new GatewayError('limit_reached', { detail: `There are ${SOURCES_MAX} sources. Delete some first.` })
      return reply.code(201).header('location', `/sources/${source.id}`).send(toSource(source))
    },
  )

  app.get(
    '/sources',
    {
      config,
      schema: {
        ...common,
        operationId: 'listSources',
        summary: 'List sources, oldest first',
        querystring: z.object({ limit: limitParameter(50, LIST_MAX), offset: offsetParameter }),
        response: { 200: SourceList, 422: ValidationRefusal },
      },
    },
    async (request) => {
      const { limit, offset } = request.query
      let total = 0
      const { rows, isCut } = await readBounded<Source>(limit, async (some, before) => {
        const page = await store.listSources({ appId: DEFAULT_APP, limit: some, offset: offset + before.length })
        total = page.total
        return page.data
      })
      // A client that goes on by `limit` must not skip rows that had no room.
      return { data: rows.map(toSource), total, limit: isCut ? rows.length : limit, offset }
    },
  )

  app.get(
    '/sources/:id',
    {
      config,
      schema: {
        ...common,
        operationId: 'getSource',
        summary: 'Read a source',
        params,
        response: { 200: SourceOut, 404: Refusal },
      },
    },
    async (request) => toSource(await find(request.params.id)),
  )

  app.get(
    '/sources/:id/secrets',
    {
      config,
      schema: {
        ...common,
        operationId: 'getSourceSecrets',
        summary: 'Read its secrets, newest first',
        params,
        response: { 200: SourceSecrets, 404: Refusal },
      },
    },
    async (request) => toSecrets((await find(request.params.id)).secrets),
  )

  app.put(
    '/sources/:id',
    {
      config,
      schema: {
        ...common,
        operationId: 'replaceSource',
        summary: 'Replace a source',
        description: 'Secrets that are not mentioned are kept; `"secrets": null` removes them.',
        params,
        body: Input,
        response: { 200: SourceOut, 404: Refusal, 409: Refusal, 422: ValidationRefusal },
      },
    },
    async (request) =>
      toSource(
        await edit(request.params.id, (before) => {
          const { appId, id, name, provider, secrets, createdAt: now } = before
          return settled(request.body, { ...blankSource({ appId, id, name, provider, now }), secrets })
        }),
      ),
  )

  app.patch(
    '/sources/:id',
    {
      config,
      schema: {
        ...common,
        operationId: 'updateSource',
        summary: 'Change some members of a source',
        description: 'What is absent stays, `null` unsets. The provider of a source stays what it is.',
        params,
        body: Patch,
        response: { 200: SourceOut, 404: Refusal, 409: Refusal, 422: ValidationRefusal },
      },
    },
    async (request) => toSource(await edit(request.params.id, (before) => settled(request.body, before))),
  )

  app.delete(
    '/sources/:id',
    {
      config,
      schema: {
        ...common,
        operationId: 'deleteSource',
        summary: 'Delete a source; what came in by it is delivered',
        params,
        response: { 204: z.null(), 404: Refusal },
      },
    },
    async (request, reply) => {
      if (!(await removeSource(manage, await find(request.params.id)))) throw new GatewayError('source_not_found')
      return reply.code(204).send(null)
    },
  )
}
