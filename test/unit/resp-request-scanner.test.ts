import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Arguments } from '../../src/resp/arguments.js'
import { splitInline } from '../../src/resp/inline.js'
import { type RequestLimits, RequestScanner, Scan } from '../../src/resp/request-scanner.js'
import { everyCut, FEEDINGS, feedCarried, feedStreaming, inLengths, inPieces, type Step } from './feeding.ts'
import { check } from './property.ts'
import { BAD_REQUESTS, type RequestVector, REQUESTS, SMALL_LIMITS } from './vectors/requests.ts'

const LIMITS: RequestLimits = { bulkBytes: 512 << 20, arrayLength: 1 << 20, inlineBytes: 64 << 10 }
const latin1 = (text: string) => Buffer.from(text, 'latin1')

interface Seen {
  outcome: Scan
  argc?: number
  name?: { offset: number; length: number }
  canonical?: boolean
}

/** A new scanner that notes what it finds and stops at what is bad. */
function scanning(limits: RequestLimits, seen: Seen[] = []): Step & { scanner: RequestScanner } {
  const scanner = new RequestScanner(limits)
  let refused = false
  const step: Step = (buf, frame, pos, end, found) => {
    while (pos < end && !refused) {
      const outcome = scanner.scan(buf, frame, pos, end)
      assert.ok(scanner.pos >= pos && scanner.pos <= end)
      pos = scanner.pos
      if (outcome === Scan.more) break
      if (outcome === Scan.command) {
        const name = { offset: scanner.nameOffset, length: scanner.nameLength }
        seen.push({ outcome, argc: scanner.argc, name, canonical: scanner.canonical })
      } else seen.push({ outcome })
      refused = outcome === Scan.bad
      if (refused) break
      assert.ok(scanner.idle)
      frame = pos
      found(pos)
    }
    return pos
  }
  return Object.assign(step, { scanner })
}

const BEFORE = '*2\r\n$6\r\nBEFORE\r\n$1\r\nx\r\n'
const AFTER = '*1\r\n$5\r\nAFTER\r\n'

function expectedOf({ bytes, args, canonical }: RequestVector): Seen {
  if (!bytes.startsWith('*')) return { outcome: Scan.inline }
  if (args.length === 0) return { outcome: Scan.empty }
  const offset = bytes.indexOf('$') + 4
  return {
    outcome: Scan.command,
    argc: args.length,
    name: { offset, length: args[0].length },
    canonical: canonical !== false,
  }
}

const canonicalOf = ({ canonical }: Seen) => (canonical === undefined ? {} : { canonical })

for (const [feeding, feed] of Object.entries(FEEDINGS)) {
  describe(`requests are found wherever they are cut, ${feeding}`, () => {
    for (const [name, vector] of Object.entries(REQUESTS)) {
      test(name, () => {
        const bytes = latin1(BEFORE + vector.bytes + AFTER)
        const ends = [BEFORE.length, BEFORE.length + vector.bytes.length, bytes.length]
        const expected: Seen[] = [
          { outcome: Scan.command, argc: 2, name: { offset: 8, length: 6 }, canonical: true },
          expectedOf(vector),
          { outcome: Scan.command, argc: 1, name: { offset: 8, length: 5 }, canonical: true },
        ]
        for (const pieces of everyCut(bytes)) {
          const seen: Seen[] = []
          assert.deepEqual(feed(pieces, scanning(SMALL_LIMITS, seen)), ends)
          // Whether it is canonical is known only of a frame that is kept.
          if (feed === feedStreaming)
            for (const [i, one] of seen.entries()) Object.assign(one, canonicalOf(expected[i]))
          assert.deepEqual(seen, expected)
        }
      })
    }
  })

  describe(`bytes that are no request are refused wherever they are cut, ${feeding}`, () => {
    for (const [name, { bytes, error, errorByte }] of Object.entries(BAD_REQUESTS)) {
      test(name, () => {
        for (const pieces of everyCut(latin1(BEFORE + bytes))) {
          const seen: Seen[] = []
          const step = scanning(SMALL_LIMITS, seen)
          feed(pieces, step)
          assert.deepEqual(seen.map(({ outcome }) => outcome).slice(0, 2), [Scan.command, Scan.bad])
          assert.equal(step.scanner.error, error)
          if (errorByte !== undefined) assert.equal(String.fromCharCode(step.scanner.errorByte), errorByte)
        }
      })
    }
  })
}

test('the arguments are those that were sent, also where the frame is not canonical', () => {
  for (const { bytes, args } of Object.values(REQUESTS)) {
    if (args.length === 0) continue
    const buf = latin1(BEFORE + bytes)
    const found = bytes.startsWith('*')
      ? new Arguments(buf, BEFORE.length, buf.length).texts()
      : splitInline(bytes.slice(0, -1))
    assert.deepEqual(found, args)
  }
})

test('arguments by number, in lower case, and from one on', () => {
  const buf = latin1('*3\r\n$3\r\nSeT\r\n$0\r\n\r\n$2\r\n\xffA\r\n')
  const args = new Arguments(buf, 0, buf.length)
  assert.equal(args.count, 3)
  assert.equal(args.lower(0), 'set')
  assert.equal(args.text(1), '')
  assert.equal(args.text(2), '\xffA')
  assert.deepEqual(args.texts(1), ['', '\xffA'])
  assert.deepEqual(args.texts(4), [])
})

test('limits let pass exactly what they say', () => {
  const outcomes = (text: string) => {
    const seen: Seen[] = []
    feedCarried([latin1(text)], scanning(SMALL_LIMITS, seen))
    return seen.map(({ outcome }) => outcome)
  }
  const { bulkBytes, arrayLength, inlineBytes } = SMALL_LIMITS
  assert.deepEqual(outcomes(`*1\r\n$${bulkBytes}\r\n${'x'.repeat(bulkBytes)}\r\n`), [Scan.command])
  assert.deepEqual(outcomes(`*1\r\n$${bulkBytes + 1}\r\n${'x'.repeat(bulkBytes + 1)}\r\n`), [Scan.bad])
  assert.deepEqual(outcomes(`*${arrayLength}\r\n${'$0\r\n\r\n'.repeat(arrayLength)}`), [Scan.command])
  assert.deepEqual(outcomes(`*${arrayLength + 1}\r\n${'$0\r\n\r\n'.repeat(arrayLength + 1)}`), [Scan.bad])
  assert.deepEqual(outcomes(`${'x'.repeat(inlineBytes)}\n`), [Scan.inline])
  assert.deepEqual(outcomes(`${'x'.repeat(inlineBytes + 1)}\n`), [Scan.bad])
})

describe('a line without an end is refused once it is longer than any line may be', () => {
  const lines = {
    mbulkCountTooBig: '*',
    bulkCountTooBig: '*2\r\n$1\r\nx\r\n$',
    inlineTooBig: '',
  } as const
  for (const [error, start] of Object.entries(lines)) {
    test(error, () => {
      const feedLine = (size: number) => {
        const seen: Seen[] = []
        const step = scanning(LIMITS, seen)
        feedStreaming(inPieces(latin1(start + '1'.repeat(size)), 8192), step)
        return seen.length === 0 ? null : step.scanner.error
      }
      assert.equal(feedLine(60_000), null)
      assert.equal(feedLine(80_000), error)
    })
  }

  test('a wrong type byte', () => {
    const step = scanning(LIMITS)
    feedStreaming(inPieces(latin1('*1\r\n' + 'x'.repeat(80_000)), 8192), step)
    assert.equal(step.scanner.error, 'bulkCountTooBig')
  })
})

test('a request larger than everything kept of it passes through', () => {
  const value = 'v'.repeat(300_000)
  const bytes = latin1(`${BEFORE}*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${value.length}\r\n${value}\r\n${AFTER}`)
  for (const size of [bytes.length, 65_536, 1021]) {
    const seen: Seen[] = []
    const ends = feedStreaming(inPieces(bytes, size), scanning(LIMITS, seen))
    assert.deepEqual(ends, [BEFORE.length, bytes.length - AFTER.length, bytes.length])
    assert.deepEqual([seen[1].argc, seen[1].name], [3, { offset: 8, length: 3 }])
  }
})

test('announced lengths cost no memory', () => {
  const before = process.memoryUsage()
  for (let i = 0; i < 1000; i++) {
    const seen: Seen[] = []
    feedStreaming([latin1('*1048576\r\n$536870912\r\nabc')], scanning(LIMITS, seen))
    assert.deepEqual(seen, [])
  }
  const after = process.memoryUsage()
  assert.ok(after.heapUsed + after.external - before.heapUsed - before.external < 16 << 20)
})

test('any requests in a row are found, in pieces of any lengths', (t) => {
  const argument = fc.string({ unit: fc.constantFrom(...'ab\r\n$*1\0 '), maxLength: 20 })
  const framed = fc.array(argument, { minLength: 1, maxLength: 6 }).map((args) => ({
    bytes: `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`,
    args,
  }))
  const request = fc.oneof(framed, fc.constantFrom(...Object.values(REQUESTS)))
  const lengths = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 10 })
  return check(
    t,
    300,
    fc.property(fc.array(request, { minLength: 1, maxLength: 8 }), lengths, (requests, cuts) => {
      let end = 0
      const ends = requests.map(({ bytes }) => (end += bytes.length))
      const bytes = latin1(requests.map((one) => one.bytes).join(''))
      for (const feed of Object.values(FEEDINGS)) {
        const seen: Seen[] = []
        assert.deepEqual(feed(inLengths(bytes, cuts), scanning(SMALL_LIMITS, seen)), ends)
        for (const [i, { outcome, argc }] of seen.entries())
          if (outcome === Scan.command) assert.equal(argc, requests[i].args.length)
      }
    }),
  )
})
