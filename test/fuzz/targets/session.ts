import assert from 'node:assert/strict'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import type { Proxy } from '../../../src/proxy.js'
import { Comparison } from '../../conformance/differences.ts'
import type { Random } from '../../conformance/garble.ts'
import { OtherClient, type Outcome } from '../../conformance/play.ts'
import { raw } from '../../conformance/corpus/script.ts'
import { RawClient } from '../../helpers/raw.ts'
import { startRedis, type RedisServer } from '../../helpers/redis.ts'
import { inLengths } from '../../unit/feeding.ts'
import { latin1, randomOf, someLengths } from '../bytes.ts'
import { quiet, startInside } from '../proxy-inside.ts'
import { SAMPLE_LINES, scriptsIn, SESSION_LINES, type SessionScript } from '../session-script.ts'
import type { Running, Target } from '../target.ts'

const WAIT_MS = 10_000
const HALF_A_REQUEST = '*3\r\n$3\r\nSET\r\n$4\r\nhal'
/** The names come in no order, out of a hash table; the numbers behind them count down. */
const UNORDERED = /^([PS]?UNSUBSCRIBE|RESET)/i

/** The sessions of a script on a direct connection, and on one through a respool in this process, beside a bystander. */
class Stage {
  readonly #comparison = new Comparison()
  #rounds = 0

  private constructor(
    readonly servers: readonly [direct: RedisServer, behind: RedisServer],
    readonly others: readonly OtherClient[],
    readonly proxy: Proxy,
    readonly path: string,
    readonly bystander: RawClient,
  ) {}

  static async start(): Promise<Stage> {
    const start = () => startRedis({ args: ['--unixsocket', 'redis.sock', '--hz', '100'] })
    const servers = [await start(), await start()] as const
    const path = join(servers[1].dir, 'respool.sock')
    const proxy = await startInside(socketOf(servers[1]), path)
    const others = await Promise.all(servers.map(({ port }) => OtherClient.connect(port)))
    return new Stage(servers, others, proxy, path, await RawClient.connect(path))
  }

  async stop(): Promise<void> {
    for (const client of [this.bystander, ...this.others]) client.close()
    await this.proxy.stop(0)
    for (const server of this.servers) await server.stop()
  }

  async run(input: Buffer): Promise<void> {
    const random = randomOf(input)
    for (const other of this.others) await other.empty()
    const playing = { over: false }
    const served = this.#serve(playing)
    try {
      for (const script of scriptsIn(input)) await this.#play(script, random)
    } finally {
      playing.over = true
    }
    await served
    await quiet(this.proxy, 1)
    // What is on its way to the server has been read when it has answered others twice.
    for (let left = 2; left > 0; left--) await this.others[1].call('PING')
  }

  /** Asks for something of its own all the time: a reply that is somebody else's would be noticed. */
  async #serve(playing: { over: boolean }): Promise<void> {
    while (!playing.over) {
      const word = `round:${++this.#rounds}`
      const reply = await this.bystander.call('COMMAND', 'GETKEYS', 'GET', word)
      assert.equal(reply.toString(), `*1\r\n$${word.length}\r\n${word}\r\n`, 'the bystander')
    }
  }

  async #play(script: SessionScript, random: Random): Promise<void> {
    const bytes = Buffer.concat(script.steps.map((step) => step.bytes))
    if (script.end === 'abort') {
      const client = await RawClient.connect(this.path)
      client.send(bytes)
      for (let turns = random.below(4); turns > 0; turns--) await nextTurn()
      client.close()
      return
    }
    const expected = await playDirectly(socketOf(this.servers[0]), this.others[0], script)
    const client = await RawClient.connect(this.path)
    try {
      const heard = await this.#hear(
        client,
        inLengths(bytes, someLengths(random, random.pick([12, 100, 1000]))),
        expected,
      )
      const steps = script.steps.map(({ text }) => ({ ...raw(Buffer.alloc(0)), text }))
      const differences = this.#comparison.between(steps, 2, expected, heard)
      assert.ok(differences.length === 0, differences.join('\n'))
      if (script.end === 'half' && !expected.closed) await client.sendPieces([latin1(HALF_A_REQUEST)])
    } finally {
      client.close()
    }
  }

  async #hear(client: RawClient, pieces: Buffer[], expected: Direct): Promise<Outcome> {
    const outcome: Outcome = { frames: expected.frames.map(() => []), problem: undefined }
    let at = 0
    try {
      await client.sendPieces(pieces)
      for (; at < expected.frames.length; at++) {
        while (outcome.frames[at].length < expected.frames[at].length)
          outcome.frames[at].push(await client.frame(WAIT_MS))
        if (UNORDERED.test(expected.texts[at])) outcome.frames[at] = inOneOrder(outcome.frames[at])
      }
      if (expected.closed)
        await client
          .frame(WAIT_MS)
          .then((frame) => assert.fail(`a frame more: ${frame.toString('latin1')}`), noneIfClosed)
      assert.equal(client.pending.toString('latin1'), '', 'left over')
    } catch (error) {
      outcome.problem = { step: at, text: String(error) }
    }
    return outcome
  }
}

interface Direct extends Outcome {
  readonly texts: readonly string[]
  readonly closed: boolean
}

function noneIfClosed(error: unknown): Buffer[] {
  if (!/connection closed/.test(String(error))) throw error
  return []
}

/** One step after the other, to know which frames answer which. */
async function playDirectly(path: string, other: OtherClient, { steps, end }: SessionScript): Promise<Direct> {
  const client = await RawClient.connect(path)
  let closed = false
  void client.closed.then(() => (closed = true))
  const frames: Buffer[][] = []
  for (const { bytes, blocks, text } of steps) {
    if (!closed) client.send(bytes)
    const found: Buffer[] = []
    if (blocks && !closed) found.push(...(await client.frame(WAIT_MS).then((frame) => [frame], noneIfClosed)))
    // The server reads from all who have sent something before it answers anyone twice.
    for (let left = 2; left > 0; left--) await other.call('PING')
    await nextTurn()
    found.push(...client.take())
    frames.push(UNORDERED.test(text) ? inOneOrder(found) : found)
  }
  if (end === 'closed') await client.closed
  client.close()
  return { frames, problem: undefined, texts: steps.map(({ text }) => text), closed }
}

function inOneOrder(frames: readonly Buffer[]): Buffer[] {
  const texts = frames.map((frame) => frame.toString('latin1'))
  const names = texts.map((text) => text.replace(/:\d+\r\n$/, '')).sort()
  const counts = texts.map((text) => /:\d+\r\n$/.exec(text)?.[0] ?? '')
  return names.map((name, i) => latin1(name + counts[i]))
}

function socketOf({ dir }: RedisServer): string {
  return join(dir, 'redis.sock')
}

async function start(): Promise<Running> {
  const stage = await Stage.start()
  return { run: (input) => stage.run(input), stop: () => stage.stop() }
}

const line = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...SAMPLE_LINES) },
  { weight: 2, arbitrary: fc.constantFrom(...SESSION_LINES) },
)

export const session: Target = {
  name: 'session',
  about:
    'sessions through respool, cut anywhere and ended anyhow: the replies of a direct connection, none for a bystander, nothing left behind',
  samples: fc.array(line, { minLength: 1, maxLength: 14 }).map((lines) => latin1(lines.join('\n'))),
  words: [...SESSION_LINES.map((text) => `\n${text}\n`), ...SAMPLE_LINES.map((text) => `\n${text}\n`), 'k', ' ', '> '],
  longest: 1500,
  start,
}
