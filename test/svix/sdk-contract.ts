/**
 * What the installed SDK asks for and expects, read out of its own files: those of npm are made from Svix's newest document, so
 * that a new version of the package brings its new contract along.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const file = (name: string) => readFileSync(new URL(name, import.meta.resolve('svix')), 'utf8')

export interface SdkOperation {
  name: string
  method: string
  path: string
  /** The names of the query's parameters. */
  query: string[]
  /** The model of the request's body, and of the answer's; null where there is none. */
  request: string | null
  answer: string | null
}

/** The members of a model that are always there, with their types as they are written. */
export type Model = Map<string, { type: string; isRequired: boolean }>

/** The operations of all resources, each once. */
export function sdkOperations(): SdkOperation[] {
  const found = new Map<string, SdkOperation>()
  for (const [, name, body] of file('index.mjs').matchAll(/\n\tasync (\w+)\([^\n]*\) \{\n((?:\t\t[^\n]*\n)*?)\t\}/g)) {
    const [, method, path] = /new SvixRequest\("([A-Z]+)", "([^"]+)"\)/.exec(body!) ?? []
    if (method === undefined) continue
    const query = /setQueryParams\(\{([^}]*)\}/.exec(body!)?.[1] ?? ''
    found.set(`${method} ${path}`, {
      name: name!,
      method,
      path: path!,
      query: Array.from(query.matchAll(/(\w+): /g), ([, parameter]) => parameter!),
      request: /setBody\((\w+)Serializer\./.exec(body!)?.[1] ?? null,
      answer: /request\.send\(this\.requestCtx, (\w+)Serializer\./.exec(body!)?.[1] ?? null,
    })
  }
  return [...found.values()]
}

export function sdkModels(): Map<string, Model> {
  const models = new Map<string, Model>()
  for (const [, name, body] of file('index.d.mts').matchAll(/\ninterface (\w+) \{\n((?: {2}[^\n]*\n)*?)\}/g))
    models.set(
      name!,
      new Map(
        Array.from(body!.matchAll(/^ {2}(\w+)(\??): (.+?);?$/gm), ([, member, optional, type]) => [
          member!,
          { type: type!, isRequired: optional === '' },
        ]),
      ),
    )
  return models
}

export const sdkVersion = (
  JSON.parse(readFileSync(fileURLToPath(import.meta.resolve('svix/package.json')), 'utf8')) as { version: string }
).version
