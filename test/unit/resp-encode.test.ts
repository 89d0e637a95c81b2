import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { decode, type Value } from '../../src/resp/decode.js'
import * as encode from '../../src/resp/encode.js'
import { ReplyFault, ReplyScanner } from '../../src/resp/reply-scanner.js'
import { check } from './property.ts'
import { REPLIES } from './vectors/replies.ts'

const PROTOCOLS = [2, 3] as const

/** Decodes a text that must be one whole frame, with others around it. */
function roundTrip(text: string): Value {
  const bytes = Buffer.from(`+before\r\n${text}+after\r\n`, 'latin1')
  const scanner = new ReplyScanner()
  assert.equal(scanner.scan(bytes, 9, bytes.length), true)
  assert.equal(scanner.pos, 9 + text.length, 'one frame')
  return decode(bytes, 9)
}

const word = fc.string({ unit: fc.constantFrom(...'ab\r\n$*: \0\x80\xff'), maxLength: 12 })
const line = fc.string({ unit: fc.constantFrom(...'ab$*: \x80\xff'), maxLength: 12 })

for (const protocol of PROTOCOLS) {
  describe(`in RESP${protocol}`, () => {
    test('texts, numbers and errors come back as they were', (t) =>
      check(
        t,
        200,
        fc.property(word, line, fc.maxSafeInteger(), (text, words, number) => {
          assert.equal(roundTrip(encode.bulk(text)), text)
          assert.equal(roundTrip(encode.verbatim(protocol, text)), text)
          assert.equal(roundTrip(encode.simple(words)), words)
          assert.equal(roundTrip(encode.integer(number)), number)
          assert.deepEqual(roundTrip(encode.error(words)), new Error(words))
        }),
      ))

    test('null comes back', () => assert.equal(roundTrip(encode.nullReply(protocol)), null))

    test('aggregates come back flat, with everything in them', (t) =>
      check(
        t,
        200,
        fc.property(fc.array(fc.tuple(word, fc.integer()), { maxLength: 6 }), (pairs) => {
          const items = pairs.map(([name]) => encode.bulk(name))
          const names = pairs.map(([name]) => name)
          assert.deepEqual(roundTrip(encode.array(items)), names)
          assert.deepEqual(roundTrip(encode.set(protocol, items)), names)
          const map = encode.map(
            protocol,
            pairs.map(([name, value]) => [name, encode.integer(value)] as const),
          )
          assert.deepEqual(roundTrip(map), pairs.flat())
          assert.deepEqual(roundTrip(encode.array([map, encode.array([map])])), [pairs.flat(), [pairs.flat()]])
        }),
      ))
  })
}

test('the types are those of the protocol', () => {
  const types = (protocol: encode.Protocol) =>
    [
      encode.nullReply(protocol),
      encode.map(protocol, [['a', encode.integer(1)]]),
      encode.set(protocol, [encode.OK]),
      encode.verbatim(protocol, 'text'),
    ].join('')
  assert.equal(types(2), '$-1\r\n' + '*2\r\n$1\r\na\r\n:1\r\n' + '*1\r\n+OK\r\n' + '$4\r\ntext\r\n')
  assert.equal(types(3), '_\r\n' + '%1\r\n$1\r\na\r\n:1\r\n' + '~1\r\n+OK\r\n' + '=8\r\ntxt:text\r\n')
})

test('an error stays one line, whatever an application put into it', () => {
  const frame = encode.error("ERR unknown command 'a\r\n+OK\r\n'")
  assert.equal(frame, "-ERR unknown command 'a  +OK  '\r\n")
  assert.equal(encode.quoted('abc\0def\n\0g'), 'abc')
  assert.equal(encode.quoted('x'.repeat(1000)).length, 128)
})

test('a command is an array of bulk strings, one byte a character', () => {
  assert.equal(encode.command('SET', 'k', '\xe4\r\n'), '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\n\xe4\r\n\r\n')
})

describe('decoding', () => {
  const expected: Record<string, Value> = {
    'empty bulk string': '',
    'null bulk string': null,
    'null array': null,
    'bulk string of NUL bytes': '\0\0\0',
    'nested arrays': [[1, ['a']], []],
    'array of nulls': [null, null, null],
    'array of empty things': ['', [], '', []],
    'map of maps': [
      [1, 2],
      [3, []],
    ],
    set: ['orange', 1, 't'],
    'verbatim string': 'Some string',
    infinity: 'inf',
    'attribute before a value': 'v',
    'two attributes before a value': 'v',
    'attribute inside an array': [1, 2, 3],
    'attribute before the last element': [1, 2],
    'everything in one': [['k', [1, null]], 'x', 'f', 'nan', '1', [new Error('E')]],
  }
  for (const [name, value] of Object.entries(expected)) {
    test(name, () => assert.deepEqual(roundTrip(REPLIES[name]), value))
  }

  test('errors are kept apart from texts', () => {
    assert.ok(roundTrip('-ERR x\r\n') instanceof Error)
    assert.ok(roundTrip('!5\r\nERR x\r\n') instanceof Error)
    assert.equal(roundTrip('+ERR x\r\n'), 'ERR x')
  })

  test('nesting is limited, so that no reply uses up the stack', () => {
    const nested = (depth: number) => '*1\r\n'.repeat(depth) + ':1\r\n'
    let inner = roundTrip(nested(20))
    for (let i = 0; i < 20; i++) inner = (inner as Value[])[0]
    assert.equal(inner, 1)
    for (const text of [nested(100_000), '|0\r\n'.repeat(100_000) + ':1\r\n'])
      assert.throws(() => roundTrip(text), ReplyFault)
  })
})
