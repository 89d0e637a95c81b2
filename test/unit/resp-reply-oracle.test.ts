import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import RedisParser from 'redis-parser'
import { decode } from '../../src/resp/decode.js'
import { ReplyScanner } from '../../src/resp/reply-scanner.js'
import { FEEDINGS, inLengths, type Step } from './feeding.ts'
import { check } from './property.ts'

/** Where replies end, and what they say, according to redis-parser, which is given one byte at a time. */
function askOracle(bytes: Buffer): { ends: number[]; values: unknown[] } {
  const ends: number[] = []
  const values: unknown[] = []
  let at = 0
  const note = (value: unknown) => {
    ends.push(at)
    values.push(value)
  }
  const parser = new RedisParser({
    returnReply: note,
    returnError: note,
    returnFatalError: (error: Error) => {
      throw error
    },
  })
  for (at = 1; at <= bytes.length; at++) parser.execute(Buffer.from(bytes.subarray(at - 1, at)))
  return { ends, values }
}

const line = fc.string({ unit: fc.constantFrom(...'abc $*:+-_%0123456789'), maxLength: 20 })
const payload = fc.string({ unit: fc.constantFrom(...'ab\r\n$*:+-0123456789\0'), maxLength: 40 })
const { value } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    line.map((text) => `+${text}\r\n`),
    line.map((text) => `-${text}\r\n`),
    fc.maxSafeInteger().map((number) => `:${number}\r\n`),
    payload.map((text) => `$${text.length}\r\n${text}\r\n`),
    fc.constantFrom('$-1\r\n', '*-1\r\n', '*0\r\n', '$0\r\n\r\n'),
    fc.array(tie('value'), { maxLength: 5 }).map((items) => `*${items.length}\r\n${items.join('')}`),
  ),
}))
const stream = fc.array(value, { minLength: 1, maxLength: 10 }).map((replies) => Buffer.from(replies.join('')))

test('redis-parser sees the same replies end at the same bytes', (t) =>
  check(
    t,
    300,
    fc.property(stream, fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 8 }), (bytes, cuts) => {
      const { ends } = askOracle(bytes)
      assert.ok(ends.length > 0)
      for (const feed of Object.values(FEEDINGS)) {
        const scanner = new ReplyScanner()
        const step: Step = (buf, _frame, pos, end, found) => {
          for (; pos < end && scanner.scan(buf, pos, end); pos = scanner.pos) found(scanner.pos)
          return scanner.pos
        }
        assert.deepEqual(feed(inLengths(bytes, cuts), step), ends)
      }
    }),
  ))

test('redis-parser decodes the same values', (t) =>
  check(
    t,
    300,
    fc.property(stream, (bytes) => {
      const { ends, values } = askOracle(bytes)
      const decoded = ends.map((_, i) => decode(bytes, i === 0 ? 0 : ends[i - 1]))
      assert.deepEqual(decoded.map(plain), values.map(plain))
    }),
  ))

/** Errors differ in class and stack, and that is all they may differ in. */
function plain(value: unknown): unknown {
  if (value instanceof Error) return { error: value.message }
  return Array.isArray(value) ? value.map(plain) : value
}
