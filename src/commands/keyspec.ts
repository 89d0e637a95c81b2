import type { KeyBegin, KeyFind, KeySpec } from './spec.js'

/**
 * Key specs in writing, so that they stay readable in the generated file and in the policy table:
 *
 *     [notkey|replaces] BEGIN FIND [; ...]
 *     BEGIN = index N | keyword WORD STARTFROM | (option | lastoption) WORD STARTFROM NAME=VALUES,... | unknown
 *     FIND  = range LASTKEY STEP LIMIT | keynum KEYNUMIDX FIRSTKEY STEP | unknown
 */
export function parseKeySpecs(text: string): KeySpec[] {
  if (text === '') return []
  return text.split(';').map((part) => parseKeySpec(part.trim().split(' ')))
}

function parseKeySpec(words: string[]): KeySpec {
  const isKey = words[0] !== 'notkey'
  const replaces = words[0] === 'replaces'
  if (!isKey || replaces) words.shift()
  return { begin: parseBegin(words), find: parseFind(words), isKey, replaces }
}

function parseBegin(words: string[]): KeyBegin {
  const kind = words.shift()
  if (kind === 'index') return { kind, index: takeNumber(words) }
  if (kind === 'keyword') return { kind, keyword: takeWord(words), startFrom: takeNumber(words) }
  if (kind === 'option' || kind === 'lastoption') {
    const [keyword, startFrom, values] = [takeWord(words), takeNumber(words), parseValues(takeWord(words))]
    return { kind: 'option', keyword, startFrom, values, last: kind === 'lastoption' }
  }
  if (kind === 'unknown') return { kind }
  throw new Error(`unknown begin of key spec: ${kind}`)
}

function parseFind(words: string[]): KeyFind {
  const kind = words.shift()
  if (kind === 'unknown') return { kind }
  const [a, b, c] = [takeNumber(words), takeNumber(words), takeNumber(words)]
  if (kind === 'range') return { kind, lastKey: a, keyStep: b, limit: c }
  if (kind === 'keynum') return { kind, keyNumIdx: a, firstKey: b, keyStep: c }
  throw new Error(`unknown find of key spec: ${kind}`)
}

function parseValues(word: string): ReadonlyMap<string, number> {
  const pairs = word.split(',').map((pair) => pair.split('='))
  return new Map(pairs.map(([name, count]) => [name, Number(count)]))
}

function takeWord(words: string[]): string {
  const word = words.shift()
  if (!word) throw new Error('key spec ends too soon')
  return word.toLowerCase()
}

function takeNumber(words: string[]): number {
  const number = Number(takeWord(words))
  if (!Number.isInteger(number)) throw new Error('key spec has a word where a number belongs')
  return number
}

/** The position of the only key, when the specs say that there is exactly one, always, and at a fixed place; else 0. */
export function soleKey(specs: readonly KeySpec[]): number {
  if (specs.length !== 1 || !specs[0].isKey) return 0
  const { begin, find } = specs[0]
  return begin.kind === 'index' && find.kind === 'range' && find.lastKey === 0 ? begin.index : 0
}
