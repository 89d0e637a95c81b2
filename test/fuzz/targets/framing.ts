import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { join } from 'node:path'
import fc from 'fast-check'
import { ERRORS } from '../../../src/errors.js'
import { Arguments } from '../../../src/resp/arguments.js'
import { bulk, error, PONG } from '../../../src/resp/encode.js'
import { splitInline } from '../../../src/resp/inline.js'
import { RequestScanner, Scan } from '../../../src/resp/request-scanner.js'
import { startRedis } from '../../helpers/redis.ts'
import { BAD_REQUESTS, REQUESTS } from '../../unit/vectors/requests.ts'
import { joined } from '../bytes.ts'
import type { Running, Target } from '../target.ts'

/** The limits of a Redis that nobody configured. */
const LIMITS = { bulkBytes: 512 << 20, arrayLength: 2 ** 31 - 1, inlineBytes: 64 << 10 }
/** Do more to their connection than being refused. */
const LEFT_OUT = new Set(['hello', 'auth', 'quit', 'reset', 'post', 'host:'])
const REFUSED = /^-(NOPERM|ERR (wrong number|unknown subcommand|Unknown subcommand)) [^\r\n]*$/

/**
 * The server lets nobody do anything but PING. To all other commands it answers one line, to those that it does not know with their
 * first arguments: so one can see what it takes for requests, without doing any harm.
 */
async function start(): Promise<Running> {
  const redis = await startRedis({
    args: ['--user', 'default', 'on', 'nopass', '~*', '&*', '-@all', '+ping', '--unixsocket', 'redis.sock'],
  })
  const path = join(redis.dir, 'redis.sock')
  const run = async (input: Buffer) => {
    // A server's search for the end of a line stops at a NUL, and it waits for ever for a line that is there.
    const bytes = Buffer.from(input.map((byte) => byte || 1))
    const { answers, end } = expectedOf(bytes)
    const said = (await ask(path, bytes.subarray(0, end))).toString('latin1')
    compare(said, answers)
  }
  return { run, stop: () => redis.stop() }
}

/** What the scanner, the splitter and the table of errors make of the bytes; up to a command that is left out. */
function expectedOf(bytes: Buffer): { answers: string[]; end: number } {
  const scanner = new RequestScanner(LIMITS)
  const answers: string[] = []
  for (let pos = 0; pos < bytes.length; pos = scanner.pos) {
    const outcome = scanner.scan(bytes, pos, pos, bytes.length)
    if (outcome === Scan.more) break
    if (outcome === Scan.bad) {
      const byte = String.fromCharCode(scanner.errorByte).replace(/[\r\n]/, ' ')
      answers.push(error(ERRORS[scanner.error].text.replace('%', byte)))
      break
    }
    if (outcome === Scan.empty) continue
    const args =
      outcome === Scan.command
        ? new Arguments(bytes, pos, scanner.pos).texts()
        : splitInline(bytes.toString('latin1', pos, scanner.pos - 1))
    if (args === null) {
      answers.push(error(ERRORS.inlineUnbalanced.text))
      break
    }
    if (args.length === 0) continue
    if (LEFT_OUT.has(args[0].toLowerCase())) return { answers, end: pos }
    answers.push(answerTo(args))
  }
  return { answers, end: bytes.length }
}

function answerTo(args: readonly string[]): string {
  const name = args[0].toLowerCase()
  if (name === 'ping' && args.length === 1) return PONG
  if (name === 'ping' && args.length === 2) return bulk(args[1])
  return unknown(args)
}

/** How Redis tells of a command that it does not know. */
function unknown([name, ...args]: readonly string[]): string {
  const text = (value: string, most: number) => value.replace(/\0.*$/s, '').slice(0, most)
  let shown = ''
  for (const arg of args) if (shown.length < 128) shown += `'${text(arg, 128 - shown.length)}' `
  return error(`ERR unknown command '${text(name, 128)}', with args beginning with: ${shown}`)
}

function compare(said: string, answers: readonly string[]): void {
  let rest = said
  for (const [nth, answer] of answers.entries()) {
    if (rest.startsWith(answer)) {
      rest = rest.slice(answer.length)
      continue
    }
    const end = rest.indexOf('\r\n')
    const line = end === -1 ? rest : rest.slice(0, end)
    // A command that the server has is refused, whatever its arguments.
    assert.ok(
      end !== -1 && REFUSED.test(line),
      `answer ${nth} is ${JSON.stringify(line)} instead of ${JSON.stringify(answer)}`,
    )
    assert.match(answer, /^-ERR unknown command/)
    rest = rest.slice(end + 2)
  }
  assert.equal(rest, '', 'more answers than requests')
}

/** Everything answered to the bytes and the end of the stream behind them. */
async function ask(path: string, bytes: Buffer): Promise<Buffer> {
  const chunks: Buffer[] = []
  await new Promise<void>((resolve, reject) => {
    const socket = connect(path, () => socket.end(bytes))
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('error', reject)
    socket.on('close', () => resolve())
  })
  return Buffer.concat(chunks)
}

const vectors = [...Object.values(REQUESTS), ...Object.values(BAD_REQUESTS)].map(({ bytes }) => bytes)
const text = fc.string({ unit: fc.constantFrom(...'ab \r\n$*"\'\\x1f\t\x0b'), maxLength: 16 })
const argument = text.map((value) => `$${value.length}\r\n${value}\r\n`)
const framed = fc
  .array(argument, { maxLength: 4 })
  .map((args) => `*${args.length + 2}\r\n$1\r\nX\r\n$0\r\n\r\n${args.join('')}`)
const line = fc
  .tuple(fc.constantFrom('PING ', 'X ', 'GET ', ''), text, fc.constantFrom('\n', '\r\n'))
  .map((parts) => parts.join(''))
const words = [
  '\r\n',
  '*2\r\n$4\r\nPING\r\n',
  '*1\r\n',
  '$3\r\n',
  '$0\r\n\r\n',
  '*-1\r\n',
  '\r',
  '\n',
  '"',
  "'",
  '\\x41',
  'PING ',
  ':1\r\n',
]

export const framing: Target = {
  name: 'framing',
  about:
    'requests, framed and inline: the same commands, arguments and protocol errors as a real Redis finds in any bytes',
  samples: joined(fc.oneof(fc.constantFrom(...vectors), framed, line, fc.constantFrom(...words)), 6),
  words,
  longest: 1000,
  start,
}
