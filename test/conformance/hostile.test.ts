/**
 * Input that no well-behaved client sends: the proxy has to say what the server says, close where it closes, keep its
 * memory, and serve the others meanwhile. What is expected comes from a direct connection, played along.
 *
 * CONFORMANCE_SEED=n repeats a run of random input, CONFORMANCE_SELF_CHECK=1 plays direct against direct.
 */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis } from '../helpers/redis.ts'
import { residentBytes, startRespool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { garble, Random } from './garble.ts'
import { Witness } from './witness.ts'

const SELF_CHECK = process.env['CONFORMANCE_SELF_CHECK'] === '1'
const KILOBYTE = 1024
const MEGABYTE = KILOBYTE * KILOBYTE
/** What a Node process may gain by chance of garbage collection; far less than any of the announced lengths. */
const NOISE = 32 * MEGABYTE
const GARBLED_INPUTS = 400

let directPort: number
let proxyPort: number
let proxyPid: number
let witness: Witness
let directWitness: Witness
const stops: (() => unknown)[] = []

before(async () => {
  const direct = await startRedis()
  const twin = await startRedis()
  stops.push(
    () => direct.stop(),
    () => twin.stop(),
  )
  directPort = direct.port
  if (SELF_CHECK) {
    proxyPort = twin.port
    proxyPid = twin.pid
  } else {
    const respool = await startRespool({ upstream: twin.url })
    stops.push(() => respool.stop())
    proxyPort = respool.port
    proxyPid = respool.pid
  }
  directWitness = await Witness.start(directPort)
  stops.push(() => directWitness.stop())
  witness = await Witness.start(proxyPort)
  stops.push(() => witness.stop())
})

after(async () => {
  for (const stop of stops.reverse()) await stop()
})

/** In one write; all of them end with the connection closed. */
const FATAL: Record<string, string> = {
  'more arguments announced than there can be': '*4294967296\r\n',
  'a count that is no number': '*3x\r\n',
  'a length that is no number': '*3\r\n$abc\r\n',
  'a length over 512 MB': '*1\r\n$536870913\r\n',
  'a negative length': '*2\r\n$4\r\nECHO\r\n$-1\r\n',
  'an integer in place of a bulk string': '*1\r\n:1\r\n',
  'no line end where the next length should be': '*2\r\n$4\r\nECHO$2\r\nhi\r\n',
  'a line end too many': '*2\r\n$4\r\nECHO\r\n\r\n$2\r\nhi\r\n',
  '10,000 nested arrays': '*1\r\n'.repeat(10_000),
  'nested arrays in place of an argument': `*2\r\n$4\r\nECHO\r\n${'*1\r\n'.repeat(1000)}`,
  'unbalanced quotes': 'SET k "abc\r\n',
  'garbage behind a command that is forwarded': '*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n:1\r\n',
  'garbage behind many commands': `${'*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n'.repeat(50)}*1\r\n$x\r\n`,
  'garbage behind an open transaction': '*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n*1\r\n:1\r\n',
  'garbage behind a watched key': '*2\r\n$5\r\nWATCH\r\n$1\r\nk\r\n*1\r\n:1\r\n',
  'garbage behind a subscription': '*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n*1\r\n:1\r\n',
  'garbage behind HELLO 3': '*2\r\n$5\r\nHELLO\r\n$1\r\n4\r\n*1\r\n:1\r\n',
}

describe('fatal input gets the same answers as directly, then the connection ends', () => {
  for (const [name, bytes] of Object.entries(FATAL)) {
    test(name, async () => {
      const expected = await answerToFatal(directPort, Buffer.from(bytes))
      assert.ok(expected.length > 0, 'the server itself says nothing')
      const actual = await answerToFatal(proxyPort, Buffer.from(bytes))
      assert.equal(actual.toString('latin1'), expected.toString('latin1'))
      await witness.isServed()
    })
  }
})

/** Goes on for ever, a piece at a time; a reader without limits would keep all of it. */
const ENDLESS: Record<string, { start: string; piece: string }> = {
  'an inline command without an end': { start: '', piece: 'a' },
  'an inline command of words without an end': { start: 'SET k ', piece: 'word ' },
  'a count without an end': { start: '*', piece: '1' },
  'a length without an end': { start: '*2\r\n$', piece: '1' },
  'a type byte that is none, without an end': { start: '*2\r\n', piece: 'x' },
  'NUL bytes without an end': { start: '', piece: '\0' },
  'an inline command without an end behind a forwarded one': { start: '*2\r\n$3\r\nGET\r\n$1\r\nk\r\n', piece: 'b' },
}

describe('endless input is refused like directly, soon, and costs no memory', () => {
  for (const [name, { start, piece }] of Object.entries(ENDLESS)) {
    test(name, async () => {
      const before = residentBytes(proxyPid)
      const expected = await answerToEndless(directPort, directWitness, start, piece)
      const actual = await answerToEndless(proxyPort, witness, start, piece)
      assert.equal(actual.toString('latin1'), expected.toString('latin1'))
      assert.ok(residentBytes(proxyPid) - before < NOISE)
      await witness.isServed()
    })
  }
})

test('announced lengths and counts cost no memory before their bytes come', async (context) => {
  const announcing = ['*2\r\n$3\r\nGET\r\n$536870912\r\nabc', '*1000000\r\n$4\r\nMGET\r\n', '*1\r\n$536870000\r\nabc']
  const before = residentBytes(proxyPid)
  const clients = await connectMany(150, (nth) => announcing[nth % announcing.length])
  await witness.isServed()
  const grown = residentBytes(proxyPid) - before
  for (const client of clients) client.close()
  context.diagnostic(`${Math.round(grown / KILOBYTE)} kB more`)
  assert.ok(grown < NOISE, `${grown} bytes more`)
})

test('1,000 half commands and then silence: connections stay, memory too, and each can be finished', async (context) => {
  const command = encode(['SET', 'half', 'v'.repeat(100)])
  const before = residentBytes(proxyPid)
  const cutOf = (nth: number) => 1 + (nth % (command.length - 1))
  const clients = await connectMany(1000, (nth) => command.subarray(0, cutOf(nth)))
  await witness.isServed()
  const grown = residentBytes(proxyPid) - before
  context.diagnostic(`${Math.round(grown / KILOBYTE)} kB more`)
  assert.ok(grown < NOISE, `${grown} bytes more`)
  clients.forEach((client, nth) => client.send(command.subarray(cutOf(nth))))
  for (const client of clients) assert.equal((await client.frame()).toString(), '+OK\r\n')
  for (const client of clients) client.close()
  await witness.isServed()
})

test('garbled input is answered as directly', async (context) => {
  const seed = Number(process.env['CONFORMANCE_SEED'] ?? randomInt(2 ** 31))
  context.diagnostic(`CONFORMANCE_SEED=${seed}`)
  const random = new Random(seed)
  for (let nth = 0; nth < GARBLED_INPUTS; nth++) {
    const bytes = garble(random)
    const expected = await answerToAny(bytes)
    const actual = await proxiedAnswerToAny(bytes, expected)
    assert.deepEqual(actual, expected, `seed ${seed}, input ${nth}: ${JSON.stringify(bytes.toString('latin1'))}`)
  }
  await witness.isServed()
})

test('clients that leave in the middle of a command leave nothing behind', async () => {
  const command = encode(['SET', 'left', 'v'.repeat(100_000)])
  const before = residentBytes(proxyPid)
  for (let round = 0; round < 10; round++) {
    const clients = await connectMany(50, (nth) => command.subarray(0, 1 + ((nth * 2003) % (command.length - 1))))
    await witness.isServed()
    for (const client of clients) client.close()
  }
  const looking = await RawClient.connect(proxyPort)
  assert.equal((await looking.call('EXISTS', 'left')).toString(), ':0\r\n')
  // Needs a connection of its own, which none of those who left may still have.
  for (const command of ['MULTI', 'DISCARD']) assert.equal((await looking.call(command)).toString(), '+OK\r\n')
  looking.close()
  assert.ok(residentBytes(proxyPid) - before < 2 * NOISE)
})

async function answerToFatal(port: number, bytes: Buffer): Promise<Buffer> {
  const client = await RawClient.connect(port)
  client.send(bytes)
  await ended(client, bytes)
  return client.pending
}

async function ended(client: RawClient, bytes: Buffer): Promise<void> {
  let isClosed = false
  void client.closed.then(() => (isClosed = true))
  await until(() => isClosed, `the connection ends after ${JSON.stringify(bytes.toString('latin1', 0, 60))}`, 3000)
}

/** No faster than it is read: a connection that is closed with bytes unread is reset, and a reset may overtake the answer. */
async function answerToEndless(port: number, pace: Witness, start: string, piece: string): Promise<Buffer> {
  const client = await RawClient.connect(port)
  const expectedFrames = start.endsWith('k\r\n') ? 1 : 0
  const limit = MEGABYTE
  const chunk = Buffer.from(piece.repeat(Math.ceil(KILOBYTE / piece.length)))
  client.send(start)
  const answers: Buffer[] = []
  for (let nth = 0; nth < expectedFrames; nth++) answers.push(await client.frame())
  let sent = 0
  while (client.pending.length === 0 && sent < limit) {
    client.send(chunk)
    sent += chunk.length
    await pace.isServed()
  }
  assert.ok(sent < limit, `port ${port} took ${sent} bytes without a word`)
  await ended(client, Buffer.from(start + piece))
  return Buffer.concat([...answers, client.pending])
}

async function connectMany(count: number, bytesOf: (nth: number) => Buffer | string): Promise<RawClient[]> {
  const clients: RawClient[] = []
  for (let nth = 0; nth < count; nth++) {
    const client = await RawClient.connect(proxyPort)
    client.send(bytesOf(nth))
    clients.push(client)
  }
  return clients
}

interface Answer {
  text: string
  closed: boolean
}

/**
 * The server is one thread: what was sent before another client's further rounds has been answered after them. Twice,
 * because it first accepts the connection, then reads, and writes the answers of one turn in any order.
 */
async function answerToAny(bytes: Buffer): Promise<Answer> {
  const client = await RawClient.connect(directPort)
  const answer = answerSoFar(client)
  client.send(bytes)
  await nextTurn()
  await directWitness.isServed()
  await directWitness.isServed()
  // The end is on its way then, and takes a moment longer than the answer.
  if (answer().text.includes('-ERR Protocol error')) await ended(client, bytes)
  client.close()
  return answer()
}

async function proxiedAnswerToAny(bytes: Buffer, expected: Answer): Promise<Answer> {
  const client = await RawClient.connect(proxyPort)
  const answer = answerSoFar(client)
  client.send(bytes)
  await nextTurn()
  await witness.isServed()
  const equal = () => answer().text === expected.text && answer().closed === expected.closed
  // Time being up is no error here: the caller compares, and shows both.
  await until(equal, 'the same answer', 2000).catch(() => undefined)
  const final = answer()
  client.close()
  return final
}

function answerSoFar(client: RawClient): () => Answer {
  let closed = false
  void client.closed.then(() => (closed = true))
  // A garbled HELLO may be a good one, and that one is answered with the connection's id.
  return () => ({ text: client.pending.toString('latin1').replace(/(id\r\n:)\d+/g, '$1N'), closed })
}
