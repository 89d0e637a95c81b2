import Type from 'typebox'
import Value from 'typebox/value'
import { Mistake, shown } from './mistake.js'
import { schema } from './schema.js'

/** A key of the file that holds a value or a list, not further keys. */
export interface Key {
  /** Such as `pool.leases.max`. */
  readonly path: string
  readonly segments: readonly string[]
  /** Its environment variable, such as `RESPOOL_POOL_LEASES_MAX`. */
  readonly variable: string
  readonly schema: Type.TSchema
}

export const PREFIX = 'RESPOOL_'

export const KEYS: readonly Key[] = keysOf(schema, [])

const byPath = new Map(KEYS.map((key) => [key.path, key]))

/** The key at a path that is known to exist. */
export function keyAt(path: string): Key {
  return byPath.get(path)!
}

/**
 * Decodes a value as it stands in the file, or an item of a list.
 *
 * @param type a key's schema, or that of its items
 * @throws Mistake
 */
export function readValue(type: Type.TSchema, given: unknown): unknown {
  if (!Value.Check(type, given)) throw new Mistake(expectation(type, given))
  return Value.Decode(type, given)
}

/** Decodes a value given as text, as in a variable or flag: only there is `8` a number without further ado. */
function readText(type: Type.TSchema, given: string): unknown {
  const numeric = Type.IsInteger(type) || Type.IsNumber(type)
  return readValue(type, numeric && /^-?\d+(\.\d+)?$/.test(given) ? Number(given) : given)
}

/** Decodes the texts given for a key: its list, or its one value, which is then the last. */
export function readTexts({ schema: type }: Key, texts: readonly string[]): unknown {
  if (!Type.IsArray(type)) return readText(type, texts.at(-1) ?? '')
  const items = itemsOf(type, texts.length)
  return items === null ? readValue(type, texts) : texts.map((text) => readText(items, text))
}

export function isList({ schema: type }: Key): boolean {
  return Type.IsArray(type)
}

/** The schema of a list's items; null if it is not one for a list, or not for one of this length. */
export function itemsOf(type: Type.TSchema, length: number): Type.TSchema | null {
  if (!Type.IsArray(type)) return null
  const { items, minItems = 0, maxItems = Infinity } = type as Type.TArray & Type.TArrayOptions
  return length >= minItems && length <= maxItems ? items : null
}

/** The default value, decoded; undefined if there is none. */
export function defaultOf({ schema: type }: Key): unknown {
  const { default: byDefault } = type as { default?: unknown }
  return byDefault === undefined ? undefined : Value.Decode(type, byDefault)
}

function expectation(type: Type.TSchema, given: unknown): string {
  const { title, writeOnly } = type as { title: string; writeOnly?: boolean }
  return `must be ${title}${writeOnly ? '' : `, not ${shown(given)}`}`
}

function keysOf(section: Type.TObject, parents: string[]): Key[] {
  return Object.entries(section.properties).flatMap(([name, type]) => {
    const segments = [...parents, name]
    if (Type.IsObject(type)) return keysOf(type, segments)
    return [{ path: segments.join('.'), segments, variable: PREFIX + segments.map(upperSnake).join('_'), schema: type }]
  })
}

function upperSnake(name: string): string {
  return name.replace(/[A-Z]/g, '_$&').toUpperCase()
}
