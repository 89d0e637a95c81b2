/** Transactions that come in any pieces, and whose connection to Redis ends at any point, beside sessions that go on. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, before, beforeEach, describe, it } from 'node:test'
import { type Argument, encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, bulkText, Cleanup, Observer, pipeline } from '../integration/support.ts'
import { settledAndFresh } from './freshness.ts'
import { isOwnError, Neighbours } from './neighbours.ts'

const NEIGHBOURS = 8

const WHOLE: Argument[][] = [
  ['SET', 'n', 1],
  ['MULTI'],
  ['INCR', 'n'],
  ['GET', 'n'],
  ['EXEC'],
  ['GET', 'n'],
  ['MULTI'],
  ['INCR'],
  ['EXEC'],
  ['MULTI'],
  ['INCR', 'n'],
  ['DISCARD'],
  ['WATCH', 'n'],
  ['MULTI'],
  ['PING'],
  ['MULTI'],
  ['WATCH', 'n'],
  ['EXEC'],
  ['EXEC'],
  ['MULTI'],
  ['EXEC', 'x'],
  ['PING'],
]

/** One transaction; its last step shows what has become of it. */
const WATCHED: Argument[][] = [
  ['WATCH', 'a'],
  ['GET', 'a'],
  ['MULTI'],
  ['SET', 'a', 'new'],
  ['SET', 'b', 'new'],
  ['EXEC'],
  ['MGET', 'a', 'b'],
]
const UNWATCHED = WATCHED.slice(2)

describe('transactions in pieces', { timeout: 120_000 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer
  let respool: Respool
  let observer: Observer

  before(async () => {
    redis = suite.add(await startRedis())
    respool = suite.add(await startRespool({ upstream: redis.url }))
    observer = suite.add(await Observer.connect(redis.port))
  })
  after(() => suite.run())

  for (const protocol of [2, 3]) {
    it(`RESP${protocol}: cut at every byte they are answered as directly`, async (context) => {
      const neighbours = await Neighbours.start(respool.port, observer.client, NEIGHBOURS)
      const [direct, proxied, pacer] = await Promise.all(
        [redis.port, respool.port, respool.port].map((port) => RawClient.connect(port)),
      )
      for (const client of [direct, proxied]) await ask(client, 'HELLO', protocol)
      const expected = await pipeline(direct, WHOLE)
      const bytes = Buffer.concat(WHOLE.map(encode))
      for (let cut = 1; cut < bytes.length; cut++) {
        proxied.send(bytes.subarray(0, cut))
        // Whoever has answered this has read the first part in a read of its own.
        await ask(pacer, 'PING')
        proxied.send(bytes.subarray(cut))
        const got: string[] = []
        while (got.length < WHOLE.length) got.push(String(await proxied.frame()))
        assert.deepEqual(got, expected, `cut before byte ${cut}`)
        assert.equal(proxied.pending.length, 0)
      }
      await neighbours.stop()
      context.diagnostic(`${bytes.length - 1} cuts, ${neighbours.right} replies to neighbours`)
      assert.deepEqual([neighbours.wrong, neighbours.errors], [[], 0])
      for (const client of [direct, proxied, pacer]) client.close()
      await settledAndFresh(respool, observer)
    })
  }
})

describe('transactions whose connection to Redis is killed', { timeout: 120_000 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer
  let respool: Respool
  let observer: Observer
  let neighbours: Neighbours
  let client: RawClient

  before(async () => {
    redis = suite.add(await startRedis())
    respool = suite.add(await startRespool({ upstream: redis.url }))
    observer = suite.add(await Observer.connect(redis.port))
  })
  beforeEach(async () => {
    await ask(observer.client, 'MSET', 'a', 'old', 'b', 'old')
    neighbours = await Neighbours.start(respool.port, observer.client, NEIGHBOURS)
    client = await RawClient.connect(respool.port)
  })
  after(() => suite.run())

  const killAll = () => ask(observer.client, 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')

  /** Nobody got anything wrong, all was carried out or nothing, and as the answer to EXEC says. */
  const check = async (commands: Argument[][], replies: string[]) => {
    await neighbours.stop()
    assert.deepEqual(neighbours.wrong, [])
    assert.ok(neighbours.right > 0, 'the neighbours were served')
    const values = await ask(observer.client, 'MGET', 'a', 'b')
    const outcome = /^\*2\r\n\$3\r\n(old|new)\r\n\$3\r\n\1\r\n$/.exec(values)?.[1]
    const story = commands.map((command, nth) => `${command.join(' ')}: ${JSON.stringify(replies[nth])}`).join('\n')
    assert.ok(outcome, `half a transaction: ${JSON.stringify(values)}\n${story}`)
    const exec = replies[commands.findIndex(([name]) => name === 'EXEC')]
    const said = exec.startsWith('*2') ? 'new' : exec.startsWith('-OUTCOMEUNKNOWN') ? outcome : 'old'
    assert.equal(outcome, said, `EXEC answered otherwise than it was\n${story}`)
    for (const [nth, reply] of replies.entries()) {
      const fine = /^(\+OK|\+QUEUED|\$3\r\nold|\*2\r\n|-EXECABORT)/.test(reply) || isOwnError(reply)
      assert.ok(fine, `${commands[nth].join(' ')} answered ${JSON.stringify(reply)}\n${story}`)
    }
    client.close()
    await settledAndFresh(respool, observer)
  }

  for (const [name, commands] of Object.entries({ watched: WATCHED, unwatched: UNWATCHED })) {
    for (let point = 1; point < commands.length; point++) {
      it(`${name}, killed after ${commands[point - 1].join(' ')} was answered`, async () => {
        const replies: string[] = []
        for (const [nth, command] of commands.entries()) {
          if (nth === point) await killAll()
          replies.push(await ask(client, ...command))
        }
        await check(commands, replies)
      })

      it(`${name}, killed after ${commands[point - 1].join(' ')} was answered, the rest in one write`, async () => {
        const replies: string[] = []
        for (const command of commands.slice(0, point)) replies.push(await ask(client, ...command))
        await killAll()
        replies.push(...(await pipeline(client, commands.slice(point))))
        await check(commands, replies)
      })
    }

    for (const sent of ['in one write', 'one by one']) {
      it(`${name}, ${sent}, killed after EXEC was sent`, async () => {
        const replies: string[] = []
        const end = commands.findIndex(([command]) => command === 'EXEC')
        if (sent === 'one by one') {
          for (const command of commands.slice(0, end)) replies.push(await ask(client, ...command))
        }
        // Redis keeps back what writes, EXEC or what it stands behind, and goes on with the rest.
        await ask(observer.client, 'CLIENT', 'PAUSE', 20_000, 'WRITE')
        const rest = pipeline(client, commands.slice(replies.length, end + 1))
        await until(async () => (await observer.clients()).some(({ flags }) => flags.includes('b')), 'EXEC waits')
        await killAll()
        await ask(observer.client, 'CLIENT', 'UNPAUSE')
        replies.push(...(await rest))
        assert.match(replies[end], /^-OUTCOMEUNKNOWN/)
        replies.push(await ask(client, ...commands[end + 1]))
        await check(commands, replies)
      })
    }
  }

  it('killed again and again at any moment', async (context) => {
    let killing = true
    const killer = (async () => {
      for (; killing; await sleep(25)) await killAll()
    })()
    let [done, refused, unsure] = [0, 0, 0]
    for (let round = 0; round < 200; round++) {
      const commands = [['MULTI'], ['INCR', 'x'], ['INCR', 'y'], ['EXEC']]
      const replies = round % 2 === 0 ? await pipeline(client, commands) : await oneByOne(client, commands)
      const exec = replies[3]
      if (exec.startsWith('*2')) done++
      else if (exec.startsWith('-OUTCOMEUNKNOWN')) unsure++
      else refused++
      assert.ok(/^(\*2|-EXECABORT)/.test(exec) || isOwnError(exec), exec)
    }
    killing = false
    await killer
    const [x, y] = [await ask(observer.client, 'GET', 'x'), await ask(observer.client, 'GET', 'y')].map(bulkText)
    context.diagnostic(`${done} done, ${unsure} unsure, ${refused} refused, counted ${x}`)
    assert.equal(x, y)
    assert.ok(Number(x) >= done && Number(x) <= done + unsure, `${x} of ${done} done and ${unsure} unsure`)
    await neighbours.stop()
    assert.deepEqual(neighbours.wrong, [])
    client.close()
    await settledAndFresh(respool, observer)
  })
})

async function oneByOne(client: RawClient, commands: Argument[][]): Promise<string[]> {
  const replies: string[] = []
  for (const command of commands) replies.push(await ask(client, ...command))
  return replies
}
