/**
 * Adds to a schema what the schema alone does not tell the OpenAPI document: its name, and how a value is written on
 * the wire. Both are marks in the schema's metadata, which `openapi-document.ts` reads.
 */
import { z } from 'zod'

/** JSON Schema, as far as the documents use it. */
export interface JsonSchema {
  type?: string | string[]
  format?: string
  pattern?: string
  enum?: readonly unknown[]
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
  default?: unknown
  items?: JsonSchema
  minItems?: number
  maxItems?: number
}

export const NAME = 'x-component'
export const ON_WIRE = 'x-on-wire'

/** Makes the schema a part of the document's `components.schemas`, so that generated clients have one class for it. */
export const named = <S extends z.ZodType>(name: string, schema: S): S => schema.meta({ [NAME]: name })

/** Sets the example of a whole body: the page for trying the API sends it unless the user changes it. */
export const withExample = <S extends z.ZodType>(example: unknown, schema: S): S => schema.meta({ example })

export function nameOf(schema: z.ZodType): string | undefined {
  const name = z.globalRegistry.get(schema)?.[NAME]
  return typeof name === 'string' ? name : undefined
}

/**
 * Describes the schema by `wire` alone, however the schema is built. Descriptions, examples and the like that are added
 * later are kept.
 */
export const onWire = <S extends z.ZodType>(schema: S, wire: JsonSchema): S => schema.meta({ [ON_WIRE]: wire })
