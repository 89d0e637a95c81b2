import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Arguments, argumentStart, unfinishedLength } from '../../../src/resp/arguments.js'
import { headerValue } from '../../../src/resp/header.js'
import { ReadBuffer } from '../../../src/resp/read-buffer.js'
import { OF_STRANGERS, type RequestLimits, RequestScanner, Scan } from '../../../src/resp/request-scanner.js'
import { feedCarried, feedStreaming, inLengths, type Step } from '../../unit/feeding.ts'
import { BAD_REQUESTS, REQUESTS, SMALL_LIMITS } from '../../unit/vectors/requests.ts'
import { joined, randomOf, someLengths } from '../bytes.ts'
import type { Target } from '../target.ts'

const LIMITS: readonly RequestLimits[] = [
  SMALL_LIMITS,
  { ...OF_STRANGERS, inlineBytes: 100 },
  { bulkBytes: 512 << 20, arrayLength: 2 ** 31 - 1, inlineBytes: 64 << 10 },
]

interface Seen {
  outcome: Scan
  command?: { argc: number; name: string; offset: number; canonical: boolean; args: string[] }
  error?: string
}

const reads = new ReadBuffer()

/** What comes of the bytes in these pieces, as connections take them in. */
function carried(pieces: readonly Buffer[], limits: RequestLimits): { seen: Seen[]; ends: number[] } {
  const seen: Seen[] = []
  const ends = feedCarried(pieces, scanning(limits, seen, true), reads)
  return { seen, ends }
}

/** @param whole whether frames are there from their first byte on */
function scanning(limits: RequestLimits, seen: Seen[], whole: boolean): Step {
  const scanner = new RequestScanner(limits)
  let refused = false
  return (buf, frame, pos, end, found) => {
    while (pos < end && !refused) {
      const outcome = scanner.scan(buf, frame, pos, end)
      assert.ok(scanner.pos >= pos && scanner.pos <= end)
      pos = scanner.pos
      if (outcome === Scan.more) {
        if (whole && !scanner.idle) assert.ok(unfinishedLength(buf, frame, pos) <= limits.bulkBytes)
        break
      }
      seen.push(seenOf(scanner, outcome, buf, frame, whole))
      refused = outcome === Scan.bad
      if (refused) break
      assert.ok(scanner.idle)
      found(pos)
      frame = pos
    }
    return pos
  }
}

function seenOf(scanner: RequestScanner, outcome: Scan, buf: Buffer, frame: number, whole: boolean): Seen {
  if (outcome === Scan.bad)
    return { outcome, error: `${scanner.error} ${scanner.error === 'bulkExpected' ? scanner.errorByte : ''}` }
  if (outcome !== Scan.command) return { outcome }
  const { argc, nameOffset: offset, nameLength, canonical, pos } = scanner
  if (!whole) return { outcome, command: { argc, name: '', offset, canonical: true, args: [] } }
  const name = buf.toString('latin1', frame + offset, frame + offset + nameLength)
  const found = new Arguments(buf, frame, pos)
  const args = found.texts()
  args.forEach((text, i) => {
    const start = argumentStart(buf, frame, pos, i)
    assert.equal(buf.toString('latin1', start, start + headerValue), text)
    assert.equal(found.bytes(i).toString('latin1'), text)
  })
  return { outcome, command: { argc, name, offset, canonical, args } }
}

/** The arguments of a frame that is known to be one, found in another way. */
function argumentsIn(frame: string): { args: string[]; canonical: boolean } {
  const args: string[] = []
  const ends: string[] = []
  let rest = frame
  const line = () => {
    const end = rest.indexOf('\r')
    const number = Number(rest.slice(1, end))
    ends.push(rest.slice(end, end + 2))
    rest = rest.slice(end + 2)
    return number
  }
  for (let left = line(); left > 0; left--) {
    const length = line()
    args.push(rest.slice(0, length))
    ends.push(rest.slice(length, length + 2))
    rest = rest.slice(length + 2)
  }
  assert.equal(rest, '')
  return { args, canonical: ends.every((end) => end === '\r\n') }
}

function run(input: Buffer): void {
  for (const limits of LIMITS) {
    const whole = carried([input], limits)
    whole.seen.forEach(({ command }, i) => {
      if (command === undefined) return
      const { args, canonical } = argumentsIn(input.toString('latin1', whole.ends[i - 1] ?? 0, whole.ends[i]))
      assert.deepEqual({ args: command.args, canonical: command.canonical }, { args, canonical })
      assert.deepEqual([command.argc, command.name], [args.length, args[0]])
    })
    const random = randomOf(input)
    for (const lengths of [[1], someLengths(random, 12), someLengths(random, 60)]) {
      const pieces = inLengths(input, lengths)
      assert.deepEqual(carried(pieces, limits), whole, `in pieces of ${lengths.join()}`)
      const seen: Seen[] = []
      const ends = feedStreaming(pieces, scanning(limits, seen, false))
      assert.deepEqual(ends, whole.ends)
      assert.deepEqual(seen, whole.seen.map(withoutBytes))
    }
  }
}

function withoutBytes({ command, ...seen }: Seen): Seen {
  if (command === undefined) return seen
  return { ...seen, command: { ...command, name: '', canonical: true, args: [] } }
}

const vectors = [...Object.values(REQUESTS), ...Object.values(BAD_REQUESTS)].map(({ bytes }) => bytes)
const argument = fc
  .string({ unit: fc.constantFrom(...'ab\r\n$*1\0 '), maxLength: 25 })
  .map((text) => `$${text.length}\r\n${text}\r\n`)
const framed = fc.array(argument, { maxLength: 13 }).map((args) => `*${args.length}\r\n${args.join('')}`)
const words = ['\r\n', '*1\r\n', '$3\r\n', '$0\r\n\r\n', '*-1\r\n', '$-1\r\n', '\r', '\n', '$', '*', ':1\r\n', '-', '"']

export const requests: Target = {
  name: 'requests',
  about:
    'the request scanner: however the bytes are cut, the same frames, arguments and errors; arguments found in two ways',
  samples: joined(fc.oneof(fc.constantFrom(...vectors), framed, fc.constantFrom(...words)), 6),
  words: [...words, '99999999999999999999', '20', '21', '\xff'],
  longest: 600,
  start: () => Promise.resolve({ run, stop: () => undefined }),
}
