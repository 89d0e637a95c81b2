import assert from 'node:assert/strict'
import { Decoder, RESP_TYPES } from '@redis/client/dist/lib/RESP/decoder.js'
import fc from 'fast-check'
import RedisParser from 'redis-parser'
import { decode, type Value } from '../../../src/resp/decode.js'
import { array, bulk, error, integer, nullReply, type Protocol } from '../../../src/resp/encode.js'
import { ReadBuffer } from '../../../src/resp/read-buffer.js'
import { readRedirect } from '../../../src/resp/redirect.js'
import { ReplyFault, ReplyScanner } from '../../../src/resp/reply-scanner.js'
import { frameEnd } from '../../helpers/raw.ts'
import { feedCarried, feedStreaming, inLengths, type Step } from '../../unit/feeding.ts'
import { BAD_REPLIES, REPLIES } from '../../unit/vectors/replies.ts'
import { joined, latin1, randomOf, someLengths } from '../bytes.ts'
import type { Target } from '../target.ts'

interface Seen {
  ends: number[]
  fault: string | null
}

const reads = new ReadBuffer()

function scanned(feed: (step: Step) => number[]): Seen {
  const scanner = new ReplyScanner()
  const ends: number[] = []
  let before = 0
  const step: Step = (buf, frame, pos, end, found) => {
    while (pos < end) {
      const whole = scanner.scan(buf, pos, end)
      assert.ok(scanner.pos >= pos && scanner.pos <= end)
      pos = scanner.pos
      assert.equal(scanner.idle, whole)
      if (!whole) break
      ends.push((before += pos - frame))
      frame = pos
      found(pos)
    }
    return pos
  }
  try {
    assert.deepEqual(feed(step), ends)
    return { ends, fault: null }
  } catch (thrown) {
    if (!(thrown instanceof ReplyFault)) throw thrown
    return { ends, fault: thrown.message }
  }
}

function run(input: Buffer): void {
  const whole = scanned((step) => feedCarried([input], step, reads))
  const random = randomOf(input)
  for (const lengths of [[1], someLengths(random, 12), someLengths(random, 60)]) {
    const pieces = inLengths(input, lengths)
    assert.deepEqual(
      scanned((step) => feedCarried(pieces, step, reads)),
      whole,
      `carried, in pieces of ${lengths.join()}`,
    )
    assert.deepEqual(
      scanned((step) => feedStreaming(pieces, step)),
      whole,
      `streaming, in pieces of ${lengths.join()}`,
    )
  }
  whole.ends.forEach((end, i) => checkFrame(input.subarray(whole.ends[i - 1] ?? 0, end)))
}

function checkFrame(frame: Buffer): void {
  readRedirect(frame.toString('latin1'))
  assert.equal(frameEnd(frame, 0), frame.length, 'another way of finding the end')
  let value: Value
  try {
    value = decode(frame, 0)
  } catch (thrown) {
    assert.ok(thrown instanceof ReplyFault && /nested/.test(thrown.message), String(thrown))
    return
  }
  if (!isStrict(frame.toString('latin1'))) return
  for (const protocol of [2, 3] as const)
    assert.deepEqual(plain(decode(latin1(encoded(value, protocol)), 0)), plain(inOneLine(value)))
  const text = frame.toString('latin1')
  if (!/(^|\n)[^+\-:$*\r\n]/.test(structure(text))) assert.deepEqual(plain(value), byRedisParser(frame), 'redis-parser')
  // It does not know attributes, nor a null where a push begins.
  if (!/(^|\n)[|>]/.test(structure(text))) assert.deepEqual(plain(value), byNodeRedis(frame), 'node-redis')
}

/** The lines of a frame without what is in its bulk strings. */
function structure(text: string): string {
  let lines = ''
  for (let at = 0; at < text.length;) {
    const end = text.indexOf('\r\n', at) + 2
    lines += text.slice(at, end)
    const length = '$=!'.includes(text[at]) ? Number(text.slice(at + 1, end - 2)) : -1
    at = length < 0 ? end : end + length + 2
  }
  return lines
}

/** Only what every server sends: the scanner does not look into numbers, and the oracles make various things of odd ones. */
function isStrict(text: string): boolean {
  const forms =
    /^([+-][^\r\n\x80-\xff]*|:(0|-?[1-9]\d{0,14})|_|#[tf]|,-?\d+(\.\d+)?|\((0|-?[1-9]\d*)|[$*]-1|[$!*~>%|]\d+|=([4-9]|\d\d+))$/
  // Node-redis takes errors for UTF-8.
  if (/(^|\n)!/.test(structure(text)) && /[\x80-\xff]/.test(text)) return false
  return structure(text)
    .split('\r\n')
    .slice(0, -1)
    .every((line) => forms.test(line))
}

function byRedisParser(frame: Buffer): unknown {
  let found: unknown
  const note = (value: unknown) => (found = value)
  const parser = new RedisParser({ returnReply: note, returnError: note, returnFatalError: note, returnBuffers: true })
  parser.execute(Buffer.from(frame))
  return plain(found)
}

function byNodeRedis(frame: Buffer): unknown {
  let found: unknown
  const note = (value: unknown) => (found = value)
  const getTypeMapping = () => ({
    [RESP_TYPES.BLOB_STRING]: Buffer,
    [RESP_TYPES.SIMPLE_STRING]: Buffer,
    [RESP_TYPES.VERBATIM_STRING]: Buffer,
    [RESP_TYPES.DOUBLE]: String,
    [RESP_TYPES.BIG_NUMBER]: String,
    [RESP_TYPES.MAP]: Array,
    [RESP_TYPES.SET]: Array,
  })
  new Decoder({ onReply: note, onErrorReply: note, onPush: note, getTypeMapping }).write(Buffer.from(frame))
  return plain(found)
}

/** Texts as latin1, errors by their message, booleans by their letter. */
function plain(value: unknown): unknown {
  if (value instanceof Error) return { error: Buffer.from(value.message).toString('latin1') }
  if (Buffer.isBuffer(value)) return value.toString('latin1')
  if (typeof value === 'boolean') return value ? 't' : 'f'
  return Array.isArray(value) ? value.map(plain) : value
}

/** An error that is encoded has no line ends any more. */
function inOneLine(value: Value): Value {
  if (value instanceof Error) return new Error(value.message.replace(/[\r\n]/g, ' '))
  return Array.isArray(value) ? value.map(inOneLine) : value
}

function encoded(value: Value, protocol: Protocol): string {
  if (value === null) return nullReply(protocol)
  if (typeof value === 'number') return integer(value)
  if (typeof value === 'string') return bulk(value)
  return Array.isArray(value) ? array(value.map((item) => encoded(item, protocol))) : error(value.message)
}

const { reply } = fc.letrec<{ reply: string }>((tie) => ({
  reply: fc.oneof(
    { maxDepth: 6 },
    fc.constantFrom(...Object.values(REPLIES)),
    fc.string({ unit: fc.constantFrom(...'ab\r\n$*:1\0\xff'), maxLength: 20 }).map(bulk),
    fc.constantFrom(
      '-MOVED 3999 127.0.0.1:6381\r\n',
      '-ASK 99999 :0\r\n',
      ':-7\r\n',
      ',1.5\r\n',
      '(123456789012345678901\r\n',
    ),
    fc.array(tie('reply'), { maxLength: 4 }).map(array),
    fc.array(tie('reply'), { maxLength: 4 }).map((items) => `~${items.length}\r\n${items.join('')}`),
    fc
      .array(fc.tuple(tie('reply'), tie('reply')), { maxLength: 3 })
      .map((pairs) => `%${pairs.length}\r\n${pairs.flat().join('')}`),
    fc.tuple(tie('reply'), tie('reply')).map(([about, value]) => `|1\r\n+k\r\n${about}${value}`),
  ),
}))
const words = [
  '\r\n',
  '*1\r\n',
  '%1\r\n',
  '~2\r\n',
  '|1\r\n',
  '>2\r\n',
  '$-1\r\n',
  '*-1\r\n',
  '_\r\n',
  '#t\r\n',
  ',1.5\r\n',
  '=5\r\ntxt:a\r\n',
  '!2\r\nEx\r\n',
  '(12\r\n',
]

export const replies: Target = {
  name: 'replies',
  about:
    'the reply scanner and decoder: however the bytes are cut, the same frames; the same values as redis-parser and node-redis find',
  samples: joined(
    fc.oneof({ arbitrary: reply, weight: 6 }, { arbitrary: fc.constantFrom(...Object.values(BAD_REPLIES)), weight: 1 }),
    5,
  ),
  words: [...words, '+', '-', ':', '$', '*', '999999999999999', '9007199254740993'],
  longest: 600,
  start: () => Promise.resolve({ run, stop: () => undefined }),
}
