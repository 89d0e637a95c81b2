/**
 * Sessions share connections, and must never see each other's replies or databases. ISOLATION_SECONDS says how long
 * clients of two databases and two protocols work on the same keys.
 */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { Random } from '../conformance/garble.ts'
import { type Argument, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { ask, bulkText, Cleanup, connectAll, pipeline } from './support.ts'

const SECONDS = Number(process.env['ISOLATION_SECONDS'] ?? 4)
const SESSIONS = 300

describe('isolation', { timeout: SECONDS * 1000 + 60_000 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer
  let respool: Respool

  before(async () => {
    redis = suite.add(await startRedis())
    respool = suite.add(await startRespool({ upstream: redis.url }))
  })
  after(() => suite.run())

  it('keeps two databases and two protocols apart on the same keys', async (context) => {
    const end = Date.now() + SECONDS * 1000
    const worlds = [0, 3].flatMap((database) => [2, 3].map((protocol) => ({ database, protocol })))
    const counts = await Promise.all(
      worlds.flatMap((world) => Array.from({ length: 5 }, () => liveIn(respool.port, world, end))),
    )
    context.diagnostic(`${counts.reduce((sum, count) => sum + count)} replies checked in ${SECONDS} s`)
    assert.ok(Math.min(...counts) > 50, `a client got only ${Math.min(...counts)} replies`)
  })

  it('takes a session to another database at exactly the right command of a pipeline', async () => {
    const writers = await connectAll(respool.port, 20)
    await Promise.all(
      writers.map(async (client, nth) => {
        const key = `moving:${nth}`
        for (let round = 0; round < 20; round++) {
          const commands = [0, 3, 3, 5, 0].flatMap((database) => [
            ['SELECT', database],
            ['APPEND', key, `${database}`],
          ])
          const replies = await pipeline(client, [...commands, ['GET', key], ['SELECT', 3], ['GET', key]])
          assert.equal(bulkText(replies.at(-3)!), '00'.repeat(round + 1))
          assert.equal(bulkText(replies.at(-1)!), '33'.repeat(round + 1))
        }
        client.close()
      }),
    )
  })

  it('answers 300 sessions of random commands each with its own values', async (context) => {
    const seed = Number(process.env['ISOLATION_SEED'] ?? randomInt(2 ** 31))
    context.diagnostic(`ISOLATION_SEED=${seed}`)
    const clients = await connectAll(respool.port, SESSIONS)
    await Promise.all(
      clients.map(async (client, nth) => {
        const session = new RandomSession(client, nth, new Random(seed + nth))
        for (let round = 0; round < 25; round++) await session.step()
        client.close()
      }),
    )
  })
})

interface World {
  database: number
  protocol: number
}

/** Writes values that name their database, and reads what anybody there wrote. Gives the number of replies. */
async function liveIn(port: number, { database, protocol }: World, end: number): Promise<number> {
  const client = await RawClient.connect(port)
  await ask(client, 'HELLO', protocol)
  await ask(client, 'SELECT', database)
  const value = `database ${database}`
  const nil = protocol === 3 ? '_\r\n' : '$-1\r\n'
  const hash = `${protocol === 3 ? '%1' : '*2'}\r\n$5\r\nwhere\r\n$${value.length}\r\n${value}\r\n`
  const bulk = `$${value.length}\r\n${value}\r\n`
  let replies = 0
  for (let round = 0; Date.now() < end; round++) {
    const key = `same:${round % 7}`
    const commands: [Argument[], string][] = [
      [['SET', key, value], '+OK\r\n'],
      [['GET', key], bulk],
      [['HSET', `hash:${key}`, 'where', value], ':'],
      [['HGETALL', `hash:${key}`], hash],
      [['GET', 'missing'], nil],
      [['MULTI'], '+OK\r\n'],
      [['GET', key], '+QUEUED\r\n'],
      [['EXEC'], `*1\r\n${bulk}`],
      [['BLPOP', `never:${key}`, '0.001'], protocol === 3 ? '_\r\n' : '*-1\r\n'],
    ]
    const sent = commands.slice(0, 1 + (round % commands.length))
    // A transaction is not left open.
    if (sent.length >= 6 && sent.length < 8) sent.push(...commands.slice(sent.length, 8))
    const got = await pipeline(
      client,
      sent.map(([command]) => command),
    )
    got.forEach((reply, nth) => {
      const [command, expected] = sent[nth]
      const fits = expected === ':' ? reply.startsWith(':') : reply === expected
      assert.ok(fits, `${value}, RESP${protocol}: ${command.join(' ')} answered ${JSON.stringify(reply)}`)
    })
    replies += got.length
  }
  client.close()
  return replies
}

/** A session that knows what all its own keys hold, and does random things with them. */
class RandomSession {
  readonly #strings = new Map<string, string>()
  readonly #lists = new Map<string, string[]>()
  #serial = 0

  constructor(
    readonly client: RawClient,
    readonly nth: number,
    readonly random: Random,
  ) {}

  /** A pipeline of up to ten commands, checked reply by reply. */
  async step(): Promise<void> {
    const length = 1 + this.random.below(10)
    const planned = Array.from({ length }, () => this.#plan())
    const replies = await pipeline(
      this.client,
      planned.flatMap(({ commands }) => commands),
    )
    let at = 0
    for (const { commands, expected } of planned) {
      const got = replies.slice(at, (at += commands.length))
      assert.deepEqual(got.map(shorten), expected.map(shorten), `session ${this.nth}: ${shorten(String(commands[0]))}`)
      assert.deepEqual(got, expected)
    }
  }

  #plan(): { commands: Argument[][]; expected: string[] } {
    const key = `session:${this.nth}:${this.random.below(3)}`
    const list = `list:${key}`
    const value = this.#value(key)
    switch (this.random.below(8)) {
      case 0:
        this.#strings.set(key, value)
        return one(['SET', key, value], '+OK\r\n')
      case 1:
        return one(['GET', key], bulk(this.#strings.get(key)))
      case 2:
        return one(['ECHO', value], bulk(value))
      case 3: {
        const items = this.#lists.get(list) ?? []
        this.#lists.set(list, [...items, value])
        return one(['RPUSH', list, value], `:${items.length + 1}\r\n`)
      }
      case 4:
        return one(['LRANGE', list, 0, -1], array(this.#lists.get(list) ?? []))
      case 5: {
        const commands = [['MULTI'], ['GET', key], ['SET', key, value], ['EXEC']]
        const expected = ['+OK\r\n', '+QUEUED\r\n', '+QUEUED\r\n', `*2\r\n${bulk(this.#strings.get(key))}+OK\r\n`]
        this.#strings.set(key, value)
        return { commands, expected }
      }
      case 6: {
        const first = this.#lists.get(list)?.shift()
        if (first === undefined) return one(['BLPOP', list, '0.001'], '*-1\r\n')
        if (this.#lists.get(list)!.length === 0) this.#lists.delete(list)
        return one(['BLPOP', list, '0.001'], array([list, first]))
      }
      default:
        return one(['INCR', `${key}:${value.slice(0, 40)}`], ':1\r\n')
    }
  }

  /** Names the key, the session and its own number; mostly short, sometimes large enough to be passed on in parts. */
  #value(key: string): string {
    const name = `${key}/${this.nth}/${this.#serial++}/`
    return this.random.below(50) === 0 ? name.repeat(5000) : name.repeat(1 + this.random.below(5))
  }
}

const one = (command: Argument[], reply: string) => ({ commands: [command], expected: [reply] })
const bulk = (text: string | undefined) => (text === undefined ? '$-1\r\n' : `$${text.length}\r\n${text}\r\n`)
const array = (items: string[]) => `*${items.length}\r\n${items.map(bulk).join('')}`
const shorten = (text: string) => (text.length > 100 ? `${text.slice(0, 100)}… (${text.length})` : text)
