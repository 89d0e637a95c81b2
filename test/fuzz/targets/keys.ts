import assert from 'node:assert/strict'
import fc from 'fast-check'
import { blockTime, withBlockTime } from '../../../src/commands/blocking.js'
import { keyPositions, slotPositions } from '../../../src/commands/keys.js'
import { isRead, mayWrite } from '../../../src/commands/reading.js'
import { readCommandReply, type CommandRow } from '../../../src/commands/reply.js'
import { slotOf, slotWithin } from '../../../src/commands/slot.js'
import { resolve, ruling, type ArgumentReader, type CommandSpec } from '../../../src/commands/spec.js'
import { CommandTable } from '../../../src/commands/table.js'
import { splitInline } from '../../../src/resp/inline.js'
import { freePort } from '../../helpers/ports.ts'
import { startCommandServer, type CommandServer } from '../../tools/command-server.ts'
import { examples, isContested, vocabulary } from '../../unit/commands-examples.ts'
import { latin1 } from '../bytes.ts'
import type { Running, Target } from '../target.ts'

const MOST_LINES = 20
/** Its key is flagged as written, because the count may be cached in it. */
const WRITES_ONLY_A_CACHE = new Set(['pfcount'])

const table = new CommandTable()

/** One command a line, in the words of an inline request; a cluster node says which keys it has, and in which slot. */
async function start(): Promise<Running> {
  const cluster = ['--cluster-enabled', 'yes', '--cluster-port', String(await freePort())]
  const server = await startCommandServer('redis-server', cluster)
  const [rows] = await server.ask([['COMMAND']])
  const known = new Map(readCommandReply(rows as unknown[]).map((row) => [row.name, row]))
  return { run: (input) => check(input, server, known), stop: () => server.stop() }
}

async function check(input: Buffer, server: CommandServer, known: ReadonlyMap<string, CommandRow>): Promise<void> {
  const lines = input.toString('latin1').split('\n').slice(0, MOST_LINES)
  const commands = lines.map(splitInline).filter((args) => args !== null && args.length > 0) as string[][]
  for (const args of commands) alone(args)
  const asked = commands.filter((args) => fits(args, known) && !isContested(args) && !args.some(isOddNumber))
  if (asked.length === 0) return
  const replies = await server.ask(asked.map((args) => ['COMMAND', 'GETKEYSANDFLAGS', ...args]))
  for (const [i, args] of asked.entries()) compareKeys(args, replies[i])
  const words = asked.flat().slice(0, 40)
  const slots = await server.ask(words.map((word) => ['CLUSTER', 'KEYSLOT', word]))
  words.forEach((word, i) => {
    const key = Buffer.from(word)
    const larger = Buffer.concat([latin1('{x}'), key, latin1('}')])
    assert.deepEqual([slotOf(key), slotWithin(larger, 3, 3 + key.length)], [slots[i], slots[i]], JSON.stringify(word))
  })
}

/** What must hold of any words. */
function alone(args: readonly string[]): void {
  const spec = specOf(args)
  const reader = readerOf(args)
  const name = args[0].toLowerCase()
  // Subcommands are found through their container only, and case is that of ASCII.
  if (!args[0].includes('|') && /^[\x20-\x7e]+$/.test(name))
    assert.equal(spec.name, table.get(name)?.name ?? table.other.name)
  for (const position of [...keyPositions(spec, reader), ...slotPositions(spec, reader)])
    assert.ok(position >= 1 && position < args.length, args.join(' '))
  const time = blockTime(spec, reader)
  assert.ok(Number.isNaN(time) || time === -1 || time >= 0, `${time} ms`)
  if (!(time >= 0)) return
  const changed = withBlockTime(spec, reader, 1234)
  const again = blockTime(spec, readerOf(changed))
  assert.equal(again, changed.every((word, i) => word === args[i]) ? time : 1234)
}

/** The command itself is refused then, while a node that looks for keys takes the digits in front. */
function isOddNumber(word: string): boolean {
  return /^\s*[+-]?\d/.test(word) && !/^(0|-?[1-9]\d{0,17})$/.test(word)
}

/** Whether the server knows it, with so many arguments: then an error can only mean that there are no keys. */
function fits(args: readonly string[], known: ReadonlyMap<string, CommandRow>): boolean {
  const names = [`${args[0]}|${args[1]}`.toLowerCase(), args[0].toLowerCase()]
  const row = known.get(names[0]) ?? known.get(names[1])
  return row !== undefined && (row.arity < 0 ? args.length >= -row.arity : args.length === row.arity)
}

function compareKeys(args: readonly string[], reply: unknown): void {
  const told = Array.isArray(reply) ? (reply as [string, string[]][]) : []
  const spec = specOf(args)
  const found = keyPositions(spec, readerOf(args)).map((position) => args[position])
  assert.deepEqual(
    found,
    told.map(([key]) => key),
    `${args.join(' ')}: ${String(reply)}`,
  )
  const written = told.some(([, flags]) => flags.some((flag) => ['RW', 'OW', 'RM'].includes(flag)))
  const row = resolve(spec, readerOf(args))
  if (!written || WRITES_ONLY_A_CACHE.has(row.name)) return
  assert.ok(mayWrite(row) && !isRead(ruling(spec, readerOf(args))), `${args.join(' ')} writes`)
}

function specOf(args: readonly string[]): CommandSpec {
  const name = latin1(args[0])
  return table.lookup(name, 0, name.length) ?? table.other
}

function readerOf(args: readonly string[]): ArgumentReader {
  return { count: args.length, text: (i) => args[i] }
}

const names = Array.from({ length: table.size }, (_, id) => table.byId(id).name.replace('|', ' '))
const word = fc.constantFrom(
  ...vocabulary.map((text) => (text === '' ? '""' : text)),
  '0.01',
  '1e3',
  '{a}b',
  '{}c',
  'a{b',
  'TIMEOUT',
)
const made = fc
  .tuple(fc.constantFrom(...names), fc.array(word, { maxLength: 10 }))
  .map(([name, args]) => [name, ...args].join(' '))

export const keys: Target = {
  name: 'keys',
  about: 'the command table: the keys, their slots and whether they are written as a real Redis sees them',
  samples: fc
    .array(fc.oneof(made, fc.constantFrom(...examples)), { minLength: 1, maxLength: 12 })
    .map((lines) => Buffer.from(lines.join('\n'), 'latin1')),
  words: [...vocabulary, ...names, ' ', '\n', '{', '}'].filter((text) => text !== ''),
  longest: 800,
  start,
}
