import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { slotOf } from '../../src/commands/slot.ts'
import { CommandTable } from '../../src/commands/table.ts'
import { merge } from '../../src/dispatch/spread/merge.ts'
import { split, type Part } from '../../src/dispatch/spread/split.ts'
import { Arguments } from '../../src/resp/arguments.ts'
import { array, bulk, command, integer, nullArray, nullReply, OK, type Protocol } from '../../src/resp/encode.ts'
import { check } from './property.ts'

const table = new CommandTable()

function specOf(name: string, from = table) {
  return from.get(name.toLowerCase())!
}

function argumentsOf(request: string): Arguments {
  const buf = Buffer.from(request, 'latin1')
  return new Arguments(buf, 0, buf.length)
}

function partsOf(words: readonly string[], from = table): Part[] | null {
  return split(specOf(words[0], from), argumentsOf(command(...words)))
}

function wordsOf(request: string): string[] {
  return argumentsOf(request).texts()
}

/** The parts of a command in plain words. */
function told(line: string, from = table): string[] | null {
  return partsOf(line.split(' '), from)?.map(({ request }) => wordsOf(request).join(' ')) ?? null
}

describe('a command with keys in several slots', () => {
  const cases: [string, string[]][] = [
    ['MGET {a}1 {b}1 {a}2', ['MGET {a}1 {a}2', 'MGET {b}1']],
    ['mget {a}1 {b}1', ['mget {a}1', 'mget {b}1']],
    ['MSET {a}1 x {b}1 y {a}2 z {a}1 last', ['MSET {a}1 x {a}2 z {a}1 last', 'MSET {b}1 y']],
    ['DEL {a}1 {a}1 {b}1', ['DEL {a}1 {a}1', 'DEL {b}1']],
    ['UNLINK {a}1 {b}1', ['UNLINK {a}1', 'UNLINK {b}1']],
    ['EXISTS {b}1 {a}1 {b}1', ['EXISTS {b}1 {b}1', 'EXISTS {a}1']],
    ['TOUCH {a}1 {b}1 {c}1', ['TOUCH {a}1', 'TOUCH {b}1', 'TOUCH {c}1']],
    ['XREAD STREAMS {a}1 {b}1 0 1-1', ['XREAD STREAMS {a}1 0', 'XREAD STREAMS {b}1 1-1']],
    [
      'XREAD COUNT 5 STREAMS {a}1 {b}1 {a}2 0 $ +',
      ['XREAD COUNT 5 STREAMS {a}1 0', 'XREAD COUNT 5 STREAMS {b}1 $', 'XREAD COUNT 5 STREAMS {a}2 +'],
    ],
  ]
  for (const [line, parts] of cases) {
    it(`is taken apart: ${line}`, () => assert.deepEqual(told(line), parts))
  }

  it('names the slot of each part, how many arguments it has, and where its keys were', () => {
    const parts = partsOf(['MSET', '{a}1', 'x', '{b}1', 'y', '{a}2', 'z'])!
    const slots = ['{a}', '{b}'].map((key) => slotOf(Buffer.from(key)))
    assert.deepEqual(
      parts.map(({ slot, argc, places }) => ({ slot, argc, places })),
      [
        { slot: slots[0], argc: 5, places: [0, 2] },
        { slot: slots[1], argc: 3, places: [1] },
      ],
    )
  })

  it('is asked with its first key alone, when a value is missing', () => {
    assert.deepEqual(told('MSET {a}1 x {b}1'), ['MSET {a}1 x {a}1'])
    assert.deepEqual(told('MSET {a}1 x {b}1 y {c}1'), ['MSET {a}1 x {a}1'])
  })

  const whole = [
    'MGET',
    'MGET a',
    'MGET {a}1 {a}2',
    'MSET {a}1 x {a}2',
    'MSET {a}1',
    'DEL {a}1 {a}1',
    'XREAD STREAMS {a}1 {a}2 0 0',
    'XREAD STREAMS {a}1 {b}1 0',
    'XREAD STREAMS',
    'XREAD BLOCK 0 STREAMS {a}1 {b}1 0 0',
    'XREAD BLOCK x STREAMS {a}1 {b}1 0 0',
    'XREADGROUP GROUP g c STREAMS {a}1 {b}1 > >',
    'MSETNX {a}1 x {b}1 y',
    'SUNION {a}1 {b}1',
    'PFCOUNT {a}1 {b}1',
    'RENAME {a}1 {b}1',
    'GET a',
    'DBSIZE',
  ]
  for (const line of whole) it(`is left whole: ${line}`, () => assert.equal(told(line), null))

  it('is left whole when that is what the configuration says, but what goes to all still does', () => {
    const without = new CommandTable([], [], false)
    for (const [line] of cases) assert.equal(told(line, without), null, line)
    assert.deepEqual(specOf('dbsize', without).spread?.to, 'primaries')
  })

  it('keeps every byte', () => {
    const odd = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString('latin1')
    const parts = partsOf(['MSET', `{a}${odd}`, odd, '{b}', '\r\n$1\r\n'])!
    assert.deepEqual(
      parts.map(({ request }) => wordsOf(request)),
      [
        ['MSET', `{a}${odd}`, odd],
        ['MSET', '{b}', '\r\n$1\r\n'],
      ],
    )
  })
})

/** What one server with this data would answer. Streams are values that begin with their newest id. */
function answer(data: Map<string, string>, words: readonly string[], protocol: Protocol): string {
  const [name, ...rest] = words
  switch (name) {
    case 'MGET':
      return array(rest.map((key) => (data.has(key) ? bulk(data.get(key)!) : nullReply(protocol))))
    case 'MSET':
      for (let i = 0; i < rest.length; i += 2) data.set(rest[i], rest[i + 1])
      return OK
    case 'DEL':
    case 'UNLINK':
      return integer(rest.filter((key) => data.delete(key)).length)
    case 'EXISTS':
    case 'TOUCH':
      return integer(rest.filter((key) => data.has(key)).length)
    default:
      return streams(data, rest.slice(1), protocol)
  }
}

function streams(data: Map<string, string>, words: readonly string[], protocol: Protocol): string {
  const count = words.length / 2
  const asked = words.slice(0, count).map((key, i) => [key, words[count + i]])
  const found = asked.filter(([key, id]) => id === '0' && data.has(key))
  if (found.length === 0) return nullArray(protocol)
  const pairs = found.map(([key]) => [bulk(key), array([bulk(data.get(key)!)])])
  return protocol === 3 ? `%${pairs.length}\r\n${pairs.flat().join('')}` : array(pairs.map(array))
}

const bytes = fc.string({ unit: fc.constantFrom('a', '\r', '\n', '$', '*', '\0', '\xff'), maxLength: 5 })
const key = fc
  .tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom('', '1'))
  .map(([tag, rest]) => `{${tag}}${rest}`)
const keys = fc.array(key, { minLength: 1, maxLength: 8 })
const pairs = fc.array(fc.tuple(key, bytes), { minLength: 1, maxLength: 8 })
const request = fc.oneof(
  fc.tuple(fc.constantFrom('MGET', 'DEL', 'UNLINK', 'EXISTS', 'TOUCH'), keys).map(([name, own]) => [name, ...own]),
  pairs.map((own) => ['MSET', ...own.flat()]),
  fc
    .array(fc.tuple(key, fc.constantFrom('0', '$')), { minLength: 1, maxLength: 5 })
    .map((own) => ['XREAD', 'STREAMS', ...own.map(([name]) => name), ...own.map(([, id]) => id)]),
)

describe('a command taken apart and its replies put together', () => {
  for (const protocol of [2, 3] as const) {
    it(`are what one server would have said and done (RESP${protocol})`, (t) =>
      check(
        t,
        2000,
        fc.property(pairs, request, (data, words) => {
          const [one, several] = [new Map(data), new Map(data)]
          const expected = answer(one, words, protocol)
          const parts = partsOf(words)
          if (parts === null) {
            const own = words[0] === 'XREAD' ? words.slice(2, 2 + (words.length - 2) / 2) : words.slice(1)
            const named = words[0] === 'MSET' ? own.filter((_, i) => i % 2 === 0) : own
            assert.equal(new Set(named.map((name) => slotOf(Buffer.from(name)))).size, 1)
            return
          }
          const replies = parts.map(({ request }) => Buffer.from(answer(several, wordsOf(request), protocol), 'latin1'))
          const merged = merge(specOf(words[0]).spread!.merge!, replies, parts)
          assert.ok(Buffer.isBuffer(merged), expected)
          assert.equal(merged.toString('latin1'), expected)
          assert.deepEqual(several, one)
          for (const { slot, request, argc } of parts) {
            const own = argumentsOf(request)
            assert.equal(own.count, argc)
            assert.equal(slotOf(own.bytes(words[0] === 'XREAD' ? 2 : 1)), slot)
          }
        }),
      ))
  }
})
