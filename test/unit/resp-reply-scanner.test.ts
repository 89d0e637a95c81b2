import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ReplyFault, ReplyScanner } from '../../src/resp/reply-scanner.js'
import { everyCut, FEEDINGS, inLengths, inPieces, type Step } from './feeding.ts'
import { check } from './property.ts'
import { BAD_REPLIES, LARGE_REPLIES, REPLIES } from './vectors/replies.ts'

const latin1 = (text: string) => Buffer.from(text, 'latin1')

/** A new scanner; `idle` has to be true exactly between frames. */
function scanning(): Step {
  const scanner = new ReplyScanner()
  return (buf, _frame, pos, end, found) => {
    while (pos < end) {
      const whole = scanner.scan(buf, pos, end)
      assert.ok(scanner.pos <= end)
      pos = scanner.pos
      if (!whole) break
      assert.ok(scanner.idle)
      found(pos)
    }
    return pos
  }
}

const BEFORE = '$6\r\nbefore\r\n'
const AFTER = '*2\r\n+after\r\n$-1\r\n'

for (const [feeding, feed] of Object.entries(FEEDINGS)) {
  describe(`replies are found wherever they are cut, ${feeding}`, () => {
    for (const [name, reply] of Object.entries(REPLIES)) {
      test(name, () => {
        const bytes = latin1(BEFORE + reply + AFTER)
        const expected = [BEFORE.length, BEFORE.length + reply.length, bytes.length]
        for (const pieces of everyCut(bytes)) assert.deepEqual(feed(pieces, scanning()), expected)
      })
    }
  })

  describe(`bytes that are no reply are a fault wherever they are cut, ${feeding}`, () => {
    for (const [name, reply] of Object.entries(BAD_REPLIES)) {
      test(name, () => {
        for (const pieces of everyCut(latin1(BEFORE + reply))) {
          const found: number[] = []
          const step = scanning()
          const noting: Step = (buf, frame, pos, end, note) =>
            step(buf, frame, pos, end, (at) => {
              found.push(at)
              note(at)
            })
          assert.throws(() => feed(pieces, noting), ReplyFault)
          assert.equal(found.length, 1, 'the reply in front of it is found, and no other')
        }
      })
    }
  })
}

describe('large replies are found in pieces of any size', () => {
  for (const [name, reply] of Object.entries(LARGE_REPLIES)) {
    test(name, () => {
      const bytes = latin1(BEFORE + reply + AFTER)
      const expected = [BEFORE.length, BEFORE.length + reply.length, bytes.length]
      const sizes = [bytes.length, 65_536, 4099, 1024]
      for (const size of sizes) assert.deepEqual(FEEDINGS.streaming(inPieces(bytes, size), scanning()), expected)
    })
  }
})

test('a prefix of a reply is no reply', () => {
  for (const reply of Object.values(REPLIES)) {
    for (let end = 1; end < reply.length; end++) {
      const scanner = new ReplyScanner()
      assert.equal(scanner.scan(latin1(reply), 0, end), false)
      assert.equal(scanner.idle, false)
    }
  }
})

test('announced lengths cost no memory and no time', () => {
  const scanner = new ReplyScanner()
  const before = process.memoryUsage()
  const bytes = latin1('*999999999999999\r\n*999999999999\r\n$999999999999999\r\n')
  assert.equal(scanner.scan(bytes, 0, bytes.length), false)
  assert.equal(scanner.pos, bytes.length)
  const megabyte = Buffer.alloc(1 << 20, '*1\r\n')
  for (let i = 0; i < 64; i++) assert.equal(scanner.scan(megabyte, 0, megabyte.length), false)
  const after = process.memoryUsage()
  assert.ok(after.heapUsed + after.external - before.heapUsed - before.external < 16 << 20)
})

test('a line without an end is a fault once it is longer than any line may be', () => {
  for (const start of ['+', ':', '$1', '*', '*2\r\n-']) {
    const feedEndless = (size: number) =>
      FEEDINGS.streaming(inPieces(latin1(start + '1'.repeat(size)), 8192), scanning())
    assert.deepEqual(feedEndless(60_000), [])
    assert.throws(() => feedEndless(80_000), ReplyFault)
  }
})

test('a frame of any replies is found, in pieces of any lengths', (t) => {
  const { reply } = fc.letrec<{ reply: string }>((tie) => ({
    reply: fc.oneof(
      { maxDepth: 6, withCrossShrink: true },
      fc.constantFrom(...Object.values(REPLIES)),
      fc.array(tie('reply'), { maxLength: 4 }).map((items) => `*${items.length}\r\n${items.join('')}`),
      fc.array(tie('reply'), { maxLength: 4 }).map((items) => `~${items.length}\r\n${items.join('')}`),
      fc
        .array(fc.tuple(tie('reply'), tie('reply')), { maxLength: 3 })
        .map((pairs) => `%${pairs.length}\r\n${pairs.flat().join('')}`),
      fc.tuple(tie('reply'), tie('reply')).map(([about, value]) => `|1\r\n+k\r\n${about}${value}`),
    ),
  }))
  const lengths = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 10 })
  return check(
    t,
    300,
    fc.property(fc.array(reply, { minLength: 1, maxLength: 8 }), lengths, (replies, cuts) => {
      let end = 0
      const expected = replies.map((text) => (end += text.length))
      const bytes = latin1(replies.join(''))
      for (const feed of Object.values(FEEDINGS)) assert.deepEqual(feed(inLengths(bytes, cuts), scanning()), expected)
    }),
  )
})
