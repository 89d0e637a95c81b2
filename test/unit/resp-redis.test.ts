/** What Redis itself makes of requests that are well or badly formed: the scanner has to agree byte for byte. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { ERRORS } from '../../src/errors.js'
import { Arguments } from '../../src/resp/arguments.js'
import { array, bulk, error } from '../../src/resp/encode.js'
import { splitInline } from '../../src/resp/inline.js'
import { RequestScanner, Scan } from '../../src/resp/request-scanner.js'
import { type RedisServer, startRedis } from '../helpers/redis.ts'
import { check } from './property.ts'
import { BAD_REQUESTS, REQUESTS } from './vectors/requests.ts'

let redis: RedisServer
before(async () => (redis = await startRedis()))
after(() => redis.stop())

/** Everything Redis answers to the bytes and the end of the stream behind them. */
function askRedis(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const socket = connect(redis.port, '127.0.0.1', () => socket.end(text, 'latin1'))
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('error', reject)
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')))
  })
}

/** The limits of a Redis that nobody configured. */
const LIMITS = { bulkBytes: 512 << 20, arrayLength: 2 ** 31 - 1, inlineBytes: 64 << 10 }

/** What a server of EVAL "return ARGV" answers that is made of the scanner, the splitter and the table of errors. */
function answer(text: string): string {
  const bytes = Buffer.from(text, 'latin1')
  const scanner = new RequestScanner(LIMITS)
  let answers = ''
  for (let pos = 0; pos < bytes.length;) {
    const outcome = scanner.scan(bytes, pos, pos, bytes.length)
    if (outcome === Scan.more) return answers
    if (outcome === Scan.bad) {
      const byte = String.fromCharCode(scanner.errorByte).replace(/[\r\n]/, ' ')
      return answers + error(ERRORS[scanner.error].text.replace('%', byte))
    }
    if (outcome !== Scan.empty) {
      const args =
        outcome === Scan.command
          ? new Arguments(bytes, pos, scanner.pos).texts()
          : splitInline(bytes.toString('latin1', pos, scanner.pos - 1))
      if (args === null) return answers + error(ERRORS.inlineUnbalanced.text)
      if (args.length > 0) answers += execute(args)
    }
    pos = scanner.pos
  }
  return answers
}

class Unplayable extends Error {}

function execute(args: string[]): string {
  if (args.slice(0, 3).join(' ') !== ARGV.join(' ')) throw new Unplayable(args[0].slice(0, 20))
  return array(args.slice(3).map(bulk))
}

async function agree(text: string, message?: string): Promise<void> {
  assert.equal(answer(text), await askRedis(text), message)
}

const ARGV = ['EVAL', 'return ARGV', '0']
const framed = (args: string[]) => array(args.map(bulk))
const END = framed([...ARGV, 'end'])

describe('numbers in odd forms mean to the scanner what they mean to Redis', () => {
  const numbers = ['', '0', '00', '01', '1', '+1', '-', '--1', '-0', '-1', '-2', '-01', '1 ', ' 1', '1.0', '1e0', '0x1']
  numbers.push('a', '1a', '1\n', '\t1', '?', '999999999999999', '1000000000000000', '-1000000000000000')
  numbers.push('-999999999999999999', '9223372036854775807', '9223372036854775808', '99999999999999999999')
  numbers.push('2147483648', '536870913')
  for (const number of numbers) {
    test(JSON.stringify(number), async () => {
      const streams = {
        count: `*${number}\r\n${END}`,
        'length of the last argument': `*4\r\n${ARGV.map(bulk).join('')}$${number}\r\n\r\n\r\n${END}`,
        'length of the last argument, one byte long': `*4\r\n${ARGV.map(bulk).join('')}$${number}\r\nx\r\n${END}`,
        'length of the name': `*1\r\n$${number}\r\n`,
      }
      for (const [place, text] of Object.entries(streams)) await agree(text, place)
    })
  }
})

describe('every byte for a type byte', () => {
  test('in the place of an argument', async () => {
    for (let byte = 1; byte < 256; byte++) {
      const text = `*1\r\n${String.fromCharCode(byte)}1\r\nx\r\n`
      if (byte !== 36) assert.equal(answer(text), await askRedis(text), `byte ${byte}`)
    }
  })
})

describe('what no limit of Redis allows is refused with the same words', () => {
  const long = 'x'.repeat(100_000)
  const streams: Record<string, string> = {
    'a count without an end': `*${'1'.repeat(100_000)}`,
    'a length without an end': `*1\r\n$${'1'.repeat(100_000)}`,
    'a wrong type byte without an end': `*1\r\n${long}`,
    'an inline request without an end': long,
    'an inline request with an end, too late': `${long}\r\n`,
  }
  for (const [name, text] of Object.entries(streams)) {
    // Redis closes without having read everything, upon which its answer may get lost on the way.
    test(name, async () => {
      const expected = await askRedis(text).catch(() => null)
      assert.ok(answer(text).startsWith('-ERR Protocol error: too big '))
      if (expected !== null && expected !== '') assert.equal(answer(text), expected)
    })
  }
})

test('the vectors that are refused are refused by Redis too, with the same words', async () => {
  const byLimit = (name: string) => / over the limit$/.test(name)
  const names = Object.keys(BAD_REQUESTS).filter((name) => !byLimit(name))
  assert.ok(names.length > 15)
  for (const name of names) {
    const { bytes, error: code, errorByte = '' } = BAD_REQUESTS[name]
    const text = ERRORS[code].text.replace('%', errorByte.replace('\r', ' '))
    assert.equal(await askRedis(bytes), error(text), name)
  }
})

test('the vectors that are taken are taken by Redis too', async () => {
  for (const [name, { bytes }] of Object.entries(REQUESTS)) {
    const answered = await askRedis(bytes + END)
    assert.ok(answered.endsWith(array([bulk('end')])), name)
    assert.ok(!answered.includes('Protocol error'), name)
  }
})

const ALPHABET = [...'ab \t\v\f\r"\'\\xnrtbaAf09F$*:\x80\xff']

describe('inline requests', () => {
  const fixed = [
    'a\\n "a\\n" \'a\\n\'',
    '"\\x41\\x4g\\x4\\x\\X41\\xfF\\x00"',
    '"\\a\\b\\t\\r\\n\\q\\"\\\\"',
    `'it\\'s' '\\\\' '\\"'`,
    'foo"bar" x\'y\'',
    '"foo"bar',
    "'foo'bar",
    '"foo" "bar',
    '"foo\\',
    '"foo\\"',
    "'foo\\'",
    '"" \'\'',
    'a\vb\fc',
    '"a"\v"b"\f',
    'a\rb',
    '\v\fa\v\f b',
    'a"',
    "a'",
    '\\"a b\\"',
  ]
  for (const line of fixed) {
    test(JSON.stringify(line), async () => {
      const text = `EVAL "return ARGV" 0 ${line}\r\n${END}`
      assert.equal(answer(text), await askRedis(text))
    })
  }

  test('any quotes, escapes and white space are split as Redis splits them', (t) => {
    const line = fc.string({ unit: fc.constantFrom(...ALPHABET), maxLength: 30 })
    return check(
      t,
      600,
      fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 4 }), async (lines) => {
        const text = `${lines.map((words) => `EVAL "return ARGV" 0 ${words}\n`).join('')}${END}`
        assert.equal(answer(text), await askRedis(text))
      }),
    )
  })
})

test('any framing gets the answer that Redis gives', (t) => {
  const piece = fc.oneof(
    fc.constantFrom(
      '*4\r\n',
      '*5\r\n',
      '$4\r\nEVAL\r\n$11\r\nreturn ARGV\r\n$1\r\n0\r\n',
      '$1\r\na\r\n',
      '$0\r\n\r\n',
      '\r\n',
    ),
    fc.constantFrom(END, '*0\r\n', '*-1\r\n', '$2\r\n', '$-1\r\n', '*\r\n', '\r', '\n', ':1\r\n', '$1\rxaxy'),
    fc.string({ unit: fc.constantFrom(...'*$:+-019\r\nx '), maxLength: 4 }),
  )
  const start = fc.constantFrom('', END, '*4\r\n$4\r\nEVAL\r\n$11\r\nreturn ARGV\r\n$1\r\n0\r\n')
  return check(
    t,
    600,
    fc.asyncProperty(start, fc.array(piece, { maxLength: 6 }), async (head, tail) => {
      const text = head + tail.join('')
      let expected: string
      try {
        expected = answer(text)
      } catch (error) {
        fc.pre(!(error instanceof Unplayable))
        throw error
      }
      assert.equal(expected, await askRedis(text))
    }),
  )
})
