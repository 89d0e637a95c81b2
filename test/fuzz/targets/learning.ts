import assert from 'node:assert/strict'
import fc from 'fast-check'
import { keyPositions, slotPositions } from '../../../src/commands/keys.js'
import { blockTime } from '../../../src/commands/blocking.js'
import { CommandTable } from '../../../src/commands/table.js'
import { decode } from '../../../src/resp/decode.js'
import { array, bulk, integer } from '../../../src/resp/encode.js'
import { ReplyFault, ReplyScanner } from '../../../src/resp/reply-scanner.js'
import { latin1 } from '../bytes.ts'
import type { Target } from '../target.ts'

const NAMES = ['made-up', 'made-up|sub', 'get', 'other']

/** A reply to COMMAND, whatever a server says in it: the table takes in what makes sense of it, and stays within its bounds. */
function run(input: Buffer): void {
  const rows = rowsIn(input)
  if (rows === null) return
  const table = new CommandTable()
  const before = table.size
  const learned = table.learn(rows)
  table.learnNames(NAMES, rows)
  assert.ok(table.size >= before + learned && table.size <= table.capacity)
  for (let id = before; id < table.size; id++) {
    const spec = table.byId(id)
    assert.match(spec.name, /^[!-~]{1,64}$/)
    assert.equal(table.get(spec.name), spec)
    for (const args of [[spec.name], ['x', 'k1', '2', 'k2', 'STREAMS', 'k3', 'KEYS', '1', 'k4', 'k5']]) {
      const reader = { count: args.length, text: (i: number) => args[i] }
      for (const position of [...keyPositions(spec, reader), ...slotPositions(spec, reader)])
        assert.ok(position >= 1 && position < args.length, spec.name)
      blockTime(spec, reader)
    }
  }
}

/** The array that the bytes are one frame of; null if they are something else. */
function rowsIn(bytes: Buffer): unknown[] | null {
  const scanner = new ReplyScanner()
  try {
    if (!scanner.scan(bytes, 0, bytes.length)) return null
    const value = decode(bytes.subarray(0, scanner.pos), 0)
    return Array.isArray(value) ? value : null
  } catch (error) {
    if (error instanceof ReplyFault) return null
    throw error
  }
}

const texts = (items: readonly string[]) => array(items.map(bulk))
const number = fc.integer({ min: -3, max: 5 }).map(integer)
const fields = (...pairs: [string, fc.Arbitrary<string>][]) =>
  fc
    .tuple(...pairs.map(([, value]) => value))
    .map((values) => array(values.flatMap((value, i) => [bulk(pairs[i][0]), value])))
const begin = fc.oneof(
  fields(['type', fc.constant(bulk('index'))], ['spec', fields(['index', number])]),
  fields(
    ['type', fc.constant(bulk('keyword'))],
    ['spec', fields(['keyword', fc.constantFrom('STREAMS', 'KEYS', 'two words').map(bulk)], ['startfrom', number])],
  ),
  fields(['type', fc.constant(bulk('unknown'))], ['spec', fc.constant(array([]))]),
)
const find = fc.oneof(
  fields(
    ['type', fc.constant(bulk('range'))],
    ['spec', fields(['lastkey', number], ['keystep', number], ['limit', number])],
  ),
  fields(
    ['type', fc.constant(bulk('keynum'))],
    ['spec', fields(['keynumidx', number], ['firstkey', number], ['keystep', number])],
  ),
)
const flags = fc.subarray(['RW', 'not_key', 'access']).map(texts)
const keySpec = fields(['flags', flags], ['begin_search', begin], ['find_keys', find])
const name = fc.constantFrom('made-up', 'GET', 'other', 'made-up|sub', 'x y', 'é', '', 'z'.repeat(70)).map(bulk)
const row = fc
  .tuple(
    name,
    number,
    fc.subarray(['write', 'readonly', 'blocking', 'pubsub', 'movablekeys']).map(texts),
    ...[number, number, number],
    fc.subarray(['@read', '@slow']).map(texts),
    fc.constant(array([])),
    fc.array(keySpec, { maxLength: 2 }).map(array),
    fc.constant(array([])),
  )
  .map((parts) => array(parts))

export const learning: Target = {
  name: 'learning',
  about:
    'what the command table learns from a server: whatever COMMAND is answered with, no crash, and no end to no table',
  samples: fc
    .array(fc.oneof({ weight: 8, arbitrary: row }, { weight: 1, arbitrary: fc.constant('*-1\r\n') }), { maxLength: 4 })
    .map((rows) => latin1(array(rows))),
  words: [
    ...[':1\r\n', ':-1\r\n', ':x\r\n', ',1.5\r\n', '*0\r\n', '$-1\r\n', '+OK\r\n'],
    ...['index', 'keyword', 'range', 'keynum', 'unknown', '|'].map(bulk),
    '|',
  ],
  longest: 1500,
  start: () => Promise.resolve({ run, stop: () => undefined }),
}
