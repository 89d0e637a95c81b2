import { flagsByWireName } from './spec.js'

/** One command as a server describes it, in the form of the generated file. */
export interface CommandRow {
  readonly name: string
  readonly arity: number
  /** Wire names of the flags that the proxy has a bit for, in that order, with spaces between. */
  readonly flags: string
  /** Key specs in the notation of `parseKeySpecs`. */
  readonly keys: string
  /** ACL categories without their sign, with spaces between. */
  readonly categories: string
}

/**
 * Reads rows of a COMMAND or COMMAND INFO reply: nested arrays of strings and numbers (RESP2), as redis-parser gives them.
 * A subcommand follows its container. Null rows (COMMAND INFO of an unknown name) and malformed ones are left out.
 * Servers before 7.0 give no key specs, only first key, last key and step.
 */
export function readCommandReply(rows: readonly unknown[]): CommandRow[] {
  return rows.flatMap((row) => (Array.isArray(row) ? readRow(row as unknown[]) : []))
}

function readRow(row: unknown[]): CommandRow[] {
  const [name, arity, flags, first, last, step, categories, , keySpecs, subcommands] = row
  if (!isText(name) || !Number.isSafeInteger(arity)) return []
  const command: CommandRow = {
    name: text(name).toLowerCase(),
    arity: number(arity),
    flags: describeFlags(list(flags)),
    keys: Array.isArray(keySpecs)
      ? list(keySpecs).map(describeKeySpec).join('; ')
      : describeRange(number(first), number(last), number(step)),
    categories: list(categories).map(text).join(' ').replaceAll('@', ''),
  }
  return [command, ...readCommandReply(list(subcommands))]
}

function describeFlags(flags: unknown[]): string {
  const names = new Set(flags.map(text))
  return [...flagsByWireName.keys()].filter((name) => names.has(name)).join(' ')
}

function describeRange(first: number, last: number, step: number): string {
  return first > 0 ? `index ${first} range ${last < 0 ? last : last - first} ${step} 0` : ''
}

function describeKeySpec(reply: unknown): string {
  const spec = fields(reply)
  const notKey = list(spec.get('flags')).map(text).includes('not_key')
  const place = `${describeBegin(fields(spec.get('begin_search')))} ${describeFind(fields(spec.get('find_keys')))}`
  return notKey ? `notkey ${place}` : place
}

function describeBegin(begin: Map<string, unknown>): string {
  const values = fields(begin.get('spec'))
  const keyword = text(values.get('keyword'))
  if (text(begin.get('type')) === 'index') return `index ${number(values.get('index'))}`
  // Only a plain word can be written down; no server has anything else.
  if (/^[\w-]+$/.test(keyword)) return `keyword ${keyword} ${number(values.get('startfrom'))}`
  return 'unknown'
}

function describeFind(find: Map<string, unknown>): string {
  const values = fields(find.get('spec'))
  const numbers = (...names: string[]) => names.map((name) => number(values.get(name))).join(' ')
  if (text(find.get('type')) === 'range') return `range ${numbers('lastkey', 'keystep', 'limit')}`
  if (text(find.get('type')) === 'keynum') return `keynum ${numbers('keynumidx', 'firstkey', 'keystep')}`
  return 'unknown'
}

/** A RESP2 map: names and values in turn. */
function fields(reply: unknown): Map<string, unknown> {
  const items = list(reply)
  return new Map(items.flatMap((item, i) => (i % 2 === 0 ? [[text(item), items[i + 1]] as const] : [])))
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : []
}

/** Decoding does not look into numbers: whatever a server says in their place is not always one. */
function number(value: unknown): number {
  return Number.isSafeInteger(value) ? Number(value) : 0
}

function isText(value: unknown): value is string | Buffer {
  return typeof value === 'string' || Buffer.isBuffer(value)
}

function text(value: unknown): string {
  return Buffer.isBuffer(value) ? value.toString('latin1') : typeof value === 'string' ? value : ''
}
