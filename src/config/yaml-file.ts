import Type from 'typebox'
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Document,
  type ErrorCode,
  type Pair,
} from 'yaml'
import { itemsOf, keyAt, KEYS, readValue, type Key } from './keys.js'
import { Layer } from './layer.js'
import { Mistake } from './mistake.js'
import { schema } from './schema.js'
import { didYouMean } from './suggest.js'

/** What is wrong with the YAML itself. The parser's own messages are not used, as they quote the file, secrets included. */
const FAULTS: Partial<Record<ErrorCode, string>> = {
  BAD_INDENT: 'the indentation does not fit, or a bracket is not closed',
  BAD_DQ_ESCAPE: 'a \\ in double quotes starts no known escape (use single quotes)',
  BAD_SCALAR_START: 'a value starts with a character that YAML reserves (put it in quotes)',
  BLOCK_AS_IMPLICIT_KEY: 'a second key stands on the same line (put a value with ": " in quotes)',
  DUPLICATE_KEY: 'the key is given twice (keep one)',
  MISSING_CHAR: 'a quote, bracket, comma or colon is missing',
  MULTIPLE_DOCS: 'a second document begins (keep one)',
  RESOURCE_EXHAUSTION: 'it is nested too deeply',
  TAB_AS_INDENT: 'a tab is used to indent (use spaces)',
  TAG_RESOLVE_FAILED: 'a tag that starts with ! is not known or does not fit (put the value in quotes)',
}

/** No list within a listener has as many items. */
const LONGEST_LIST = 100

const UNREADABLE = 'this cannot be read as YAML (see config/respool.yaml for an example)'

/** Reads a configuration file's text. Never throws, whatever is in it. */
export function readYaml(text: string, name: string): Layer {
  return new YamlReader(text, name).read()
}

class YamlReader {
  readonly #lines = new LineCounter()
  readonly #document: Document
  readonly #layer: Layer

  constructor(text: string, name: string) {
    // Pretty errors quote the file.
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false })
    this.#layer = new Layer(name)
  }

  read(): Layer {
    const { errors, warnings, contents } = this.#document
    const seen = new Set<number>()
    for (const { code, pos } of [...errors, ...warnings]) {
      const line = this.#lineAt(pos[0])
      // One fault often makes the parser stumble several times.
      if (seen.has(line)) continue
      seen.add(line)
      this.#layer.reject('', line, FAULTS[code] ?? UNREADABLE)
    }
    this.#layer.readable = errors.every(({ code }) => code === 'DUPLICATE_KEY')
    if (this.#layer.readable) this.#section(schema, contents, [], 1)
    return this.#layer
  }

  /** @param node a group of keys; nothing at all, as when all its keys are commented out, is an empty one */
  #section(section: Type.TObject, node: unknown, parents: string[], line: number): void {
    const group = this.#resolve(node)
    if (group === null || (isScalar(group) && group.value === null)) return
    if (!isMap(group)) {
      this.#layer.readable = parents.length > 0
      const message = 'must hold keys with values, as in config/respool.yaml'
      this.#layer.reject(parents.join('.'), this.#lineOf(node, line), message)
      return
    }
    for (const pair of group.items) this.#pair(section, pair, parents, line)
  }

  #pair(section: Type.TObject, { key, value }: Pair, parents: string[], parentLine: number): void {
    const line = this.#lineOf(key, parentLine)
    const name = isScalar(key) && typeof key.value === 'string' ? key.value : ''
    const path = [...parents, name]
    const type = Object.hasOwn(section.properties, name) ? section.properties[name] : undefined
    if (type === undefined) this.#unknownKey(Object.keys(section.properties), name, parents, line)
    else if (Type.IsObject(type)) this.#section(type, value, path, line)
    else this.#value(keyAt(path.join('.')), value, line)
  }

  #unknownKey(known: string[], name: string, parents: string[], line: number): void {
    // Anything else may be a value that went astray, such as a URL with a password.
    const printable = /^[\w.-]{1,64}$/.test(name)
    const path = [...parents, ...(printable ? [name] : [])].join('.')
    this.#layer.reject(
      path,
      line,
      `unknown key${printable ? suggestion(name, parents, known) : ' (see config/respool.yaml)'}`,
    )
  }

  #value(key: Key, node: unknown, line: number): void {
    const value = this.#resolve(node)
    const list = isSeq(value) ? value.items : []
    const items = itemsOf(key.schema, list.length)
    if (items !== null) this.#list(key, items, list, line)
    else this.#layer.give(key, this.#lineOf(node, line), () => readValue(key.schema, this.#plain(node)))
  }

  #list(key: Key, type: Type.TSchema, items: unknown[], line: number): void {
    const before = this.#layer.problems.length
    const values = items.map((item, index) => this.#item(key, type, item, index, line))
    if (this.#layer.problems.length === before) this.#layer.give(key, line, () => values)
    else this.#layer.origins.set(key.path, line)
  }

  #item(key: Key, type: Type.TSchema, node: unknown, index: number, listLine: number): unknown {
    const line = this.#lineOf(node, listLine)
    try {
      return readValue(type, this.#plain(node))
    } catch (error) {
      if (!(error instanceof Mistake)) throw error
      this.#layer.reject(`${key.path}[${index}]`, line, error.message)
      return null
    }
  }

  /** The value as JSON would hold it, two levels deep at most: no key has more, and aliases could unfold for ever. */
  #plain(node: unknown, depth = 0): unknown {
    const value = this.#resolve(node)
    if (value === undefined) throw new Mistake('is an alias (*) of nothing (put a value that starts with * in quotes)')
    if (value === null || (isScalar(value) && value.value === null)) {
      throw new Mistake('has no value (give one, or remove the line)')
    }
    if (isScalar(value)) return value.value
    if (isSeq(value)) return value.items.slice(0, LONGEST_LIST).map((item) => this.#text(item))
    return isMap(value) && depth < 2 ? Object.fromEntries(value.items.map((pair) => this.#entry(pair, depth))) : {}
  }

  /** The text that an item of a list within a list's item is; null for anything else. */
  #text(node: unknown): string | null {
    const value = this.#resolve(node)
    return isScalar(value) && typeof value.value === 'string' ? value.value : null
  }

  #entry({ key, value }: Pair, depth: number): [string, unknown] {
    return [isScalar(key) ? String(key.value) : '', this.#plain(value, depth + 1)]
  }

  /** Undefined for an alias of nothing. */
  #resolve(node: unknown): unknown {
    return isAlias(node) ? node.resolve(this.#document) : node
  }

  #lineOf(node: unknown, otherwise: number): number {
    const { range } = (node ?? {}) as { range?: [number, number, number] | null }
    return range ? this.#lineAt(range[0]) : otherwise
  }

  #lineAt(offset: number): number {
    // The counter has no line 0 for an empty file.
    return Math.max(1, this.#lines.linePos(offset).line)
  }
}

/** The nearest key of the same group, else a key of that name elsewhere. */
function suggestion(name: string, parents: string[], known: string[]): string {
  const prefix = parents.map((parent) => `${parent}.`).join('')
  const here = didYouMean(name, known)
  if (here !== '') return here.replace('mean ', `mean ${prefix}`)
  const elsewhere = KEYS.find(({ segments }) => segments.at(-1) === name)
  return elsewhere === undefined ? ` (known here: ${known.join(', ')})` : ` (did you mean ${elsewhere.path}?)`
}
