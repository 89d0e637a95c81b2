/** EVALSHA finds the scripts that applications sent before, whatever became of the Redis that they sent them to. */
import assert from 'node:assert/strict'
import { createHash, randomInt } from 'node:crypto'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { Random } from '../conformance/garble.ts'
import { RawClient } from '../helpers/raw.ts'
import { type RedisServer, startRedis } from '../helpers/redis.ts'
import { type Respool, startRespool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, bulkText, Cleanup, MEGABYTE, pipeline } from './support.ts'

const shaOf = (body: string) => createHash('sha1').update(body).digest('hex')

const APPEND = "redis.call('RPUSH', KEYS[1], ARGV[1]); return redis.call('LLEN', KEYS[1])"
const LENGTH = "return redis.call('LLEN', KEYS[1])"

describe('scripts', { timeout: 120_000 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer
  /** What the server says of a script that it does not know. */
  let missing: string
  let respool: Respool
  let direct: RawClient
  let app: RawClient

  before(async () => {
    redis = suite.add(await startRedis())
    respool = suite.add(await startRespool({ upstream: redis.url }))
    const client = suite.client(await RawClient.connect(redis.port))
    missing = await ask(client, 'EVALSHA', shaOf('never seen'), 0)
    assert.match(missing, /^-NOSCRIPT /)
  })
  beforeEach(async () => {
    direct = suite.client(await RawClient.connect(redis.port))
    app = suite.client(await RawClient.connect(respool.port))
    await pipeline(direct, [['FLUSHALL'], ['SCRIPT', 'FLUSH'], ['CONFIG', 'RESETSTAT']])
  })
  after(() => suite.run())

  const append = (client: RawClient, value: string) => ask(client, 'EVALSHA', shaOf(APPEND), 1, 'list', value)
  const loads = () => respool.metric('respool_script_loads_total')
  const retries = () => respool.metric('respool_retries_total', { reason: 'noscript' })

  /** How often Redis executed a command since the test began. */
  const calls = async (command: string): Promise<number> => {
    const text = bulkText(await ask(direct, 'INFO', 'commandstats'))
    return Number(new RegExp(`^cmdstat_${command.replace('|', '\\|')}:calls=(\\d+)`, 'm').exec(text)?.[1] ?? 0)
  }

  const restart = async () => {
    await redis.restart()
    direct = suite.client(await RawClient.connect(redis.port))
    await until(async () => (await ask(app, 'EXISTS', 'k')) === ':0\r\n', 'respool reaches Redis')
  }

  it('are found after SCRIPT FLUSH through respool, and gone until they are called', async () => {
    assert.equal(await ask(app, 'EVAL', APPEND, 1, 'list', 'a'), ':1\r\n')
    assert.equal(await append(app, 'b'), ':2\r\n')
    for (const flush of [['FLUSH'], ['FLUSH', 'ASYNC'], ['FLUSH', 'SYNC']]) {
      assert.equal(await ask(app, 'SCRIPT', ...flush), '+OK\r\n')
      assert.equal(await ask(app, 'SCRIPT', 'EXISTS', shaOf(APPEND)), '*1\r\n:0\r\n')
      assert.match(await append(app, 'c'), /^:\d\r\n$/)
      assert.equal(await ask(app, 'SCRIPT', 'EXISTS', shaOf(APPEND)), '*1\r\n:1\r\n')
    }
    assert.equal(await calls('eval'), 1)
    assert.equal(await calls('evalsha'), 4)
    assert.equal(await ask(app, 'LLEN', 'list'), ':5\r\n')
  })

  it('are found after SCRIPT FLUSH behind its back', async () => {
    const before = await retries()
    await ask(app, 'SCRIPT', 'LOAD', APPEND)
    assert.equal(await append(app, 'a'), ':1\r\n')
    await ask(direct, 'SCRIPT', 'FLUSH')
    assert.equal(await append(app, 'b'), ':2\r\n')
    assert.equal(await ask(app, 'LRANGE', 'list', 0, -1), '*2\r\n$1\r\na\r\n$1\r\nb\r\n')
    assert.equal(await retries(), before + 1)
    assert.deepEqual([await calls('eval'), await calls('script|load')], [0, 2])
  })

  it('are found after a restart of Redis, on every connection, with one load', async () => {
    await ask(app, 'EVAL_RO', LENGTH, 1, 'list')
    await restart()
    const before = await retries()
    const apps = await Promise.all(Array.from({ length: 20 }, () => RawClient.connect(respool.port)))
    for (const each of apps) {
      assert.equal(await ask(each, 'EVALSHA_RO', shaOf(LENGTH), 1, 'list'), ':0\r\n')
      each.close()
    }
    assert.deepEqual([await calls('script|load'), await calls('evalsha_ro'), await calls('eval_ro')], [1, 20, 0])
    assert.equal(await retries(), before)
  })

  it('are loaded once for a whole pipeline, which does what it does directly', async () => {
    const commands = [
      ['EVAL', APPEND, 1, 'list', 'first'],
      ...Array.from({ length: 200 }, (_, nth) => [
        ['EVALSHA', shaOf(APPEND), 1, 'list', `${nth}`],
        ['LPOP', 'list', nth % 3],
        ['EVALSHA_RO', shaOf(LENGTH), 1, 'list'],
      ]).flat(),
      ['LRANGE', 'list', 0, -1],
    ]
    await ask(app, 'EVAL', LENGTH, 1, 'list')
    await ask(app, 'SCRIPT', 'FLUSH')
    const before = await loads()
    const proxied = await pipeline(app, commands)
    assert.equal(await loads(), before + 2, 'once for each script')
    await ask(direct, 'DEL', 'list')
    assert.deepEqual(proxied, await pipeline(direct, commands))
  })

  it('answer in any order, alone or in transactions, as where they are never flushed', async (context) => {
    const seed = Number(process.env['SCRIPTS_SEED'] ?? randomInt(2 ** 31))
    context.diagnostic(`SCRIPTS_SEED=${seed}`)
    const random = new Random(seed)
    const twin = suite.add(await startRedis())
    const untouched = suite.client(await RawClient.connect(twin.port))
    const flusher = suite.client(await RawClient.connect(respool.port))
    const bodies = [APPEND, LENGTH, "return redis.call('LPOP', KEYS[1])", "return redis.error_reply('MINE')"]
    for (const client of [app, untouched]) for (const body of bodies) await ask(client, 'EVAL', body, 1, 'list', 'x')
    const command = () => {
      const call = ['EVALSHA', shaOf(random.pick(bodies)), 1, `list${random.below(2)}`, random.below(100)]
      return random.pick([call, call, call, ['RPUSH', 'list0', random.below(100)], ['LRANGE', 'list1', 0, -1]])
    }
    for (let round = 0; round < 150; round++) {
      const commands = Array.from({ length: 1 + random.below(12) }, () => {
        if (random.below(4) > 0) return [command()]
        const queued = Array.from({ length: random.below(4) }, command)
        return random.below(5) > 0 ? [['MULTI'], ...queued, ['EXEC']] : [['WATCH', 'k'], ['MULTI'], ...queued, ['EXEC']]
      }).flat()
      const oneByOne = random.below(3) === 0
      const proxied: string[] = []
      if (oneByOne) for (const args of commands) proxied.push(await ask(app, ...args))
      else proxied.push(...(await pipeline(app, commands)))
      assert.deepEqual(proxied, await pipeline(untouched, commands), `SCRIPTS_SEED=${seed}, round ${round}`)
      if (random.below(2) === 0) await ask(flusher, 'SCRIPT', 'FLUSH')
    }
  })

  it('behind its back a pipeline fails as a whole, so that none of its calls overtakes another', async () => {
    await ask(app, 'SCRIPT', 'LOAD', APPEND)
    await ask(direct, 'SCRIPT', 'FLUSH')
    const commands = ['a', 'b', 'c'].map((value) => ['EVALSHA', shaOf(APPEND), 1, 'list', value])
    assert.deepEqual(await pipeline(app, commands), [missing, missing, missing])
    assert.deepEqual(await pipeline(app, commands), [':1\r\n', ':2\r\n', ':3\r\n'])
  })

  describe('while Redis is asked whether it has a script', () => {
    const test = new Cleanup()
    let gate: Gate
    let behind: Respool
    let client: RawClient
    let reply: Promise<string>

    beforeEach(async () => {
      gate = test.add(await Gate.start(redis.port, 'EXISTS'))
      behind = test.add(await startRespool({ upstream: `redis://127.0.0.1:${gate.port}` }))
      client = test.client(await RawClient.connect(behind.port))
      await ask(client, 'SCRIPT', 'LOAD', APPEND)
      await ask(direct, 'SCRIPT', 'FLUSH')
      reply = append(client, 'a')
      await until(() => gate.closed, 'the question is on its way')
    })
    afterEach(() => test.run())

    it('what the session sends waits, and comes after the call', async () => {
      const replies = [reply]
      for (const args of [['RPUSH', 'list', 'b'], ['LLEN', 'list'], ['PING'], ['LPOP', 'list']]) {
        replies.push(ask(client, ...args))
      }
      // Whoever shares the connection does not wait for it: respool does not, and the gate is only in this test.
      await until(async () => (await held(behind)) === 'script', 'the session is held')
      gate.open()
      assert.deepEqual(await Promise.all(replies), [':1\r\n', ':2\r\n', ':2\r\n', '+PONG\r\n', '$1\r\na\r\n'])
    })

    it('a transaction of the session waits too', async () => {
      const replies = pipeline(client, [['MULTI'], ['RPUSH', 'list', 'b'], ['EXEC'], ['MULTI']])
      gate.open()
      assert.equal(await reply, ':1\r\n')
      assert.deepEqual(await replies, ['+OK\r\n', '+QUEUED\r\n', '*1\r\n:2\r\n', '+OK\r\n'])
      assert.equal(await ask(client, 'DISCARD'), '+OK\r\n')
    })

    it('a lost connection leaves the error, and nothing is executed', async () => {
      gate.cut()
      assert.equal(await reply, missing)
      assert.equal(await ask(client, 'LLEN', 'list'), ':0\r\n')
    })

    it('the call of an application that goes away is dropped', async () => {
      reply.catch(() => undefined) // which was to come on this connection
      client.close()
      await until(async () => (await behind.metric('respool_downstream_connections')) === 0, 'it is gone')
      gate.open()
      const other = test.client(await RawClient.connect(behind.port))
      assert.equal(await ask(other, 'LLEN', 'list'), ':0\r\n')
      assert.equal(await behind.metric('respool_retries_total', { reason: 'noscript' }), 0)
    })

    it('somebody else may load it: then it may have been there, and the error is left', async () => {
      await ask(direct, 'SCRIPT', 'LOAD', APPEND)
      gate.open()
      assert.equal(await reply, missing)
      assert.equal(await append(client, 'a'), ':1\r\n')
    })
  })

  it('that make the text of a missing script themselves are executed once', async () => {
    const texts = ['NOSCRIPT No matching script. Please use EVAL.', 'NOSCRIPT No matching script.']
    const bodies = texts.flatMap((text) => [
      `redis.call('INCR', KEYS[1]) return redis.error_reply('${text}')`,
      `redis.call('INCR', KEYS[1]) return {err = '${text}'}`,
      `redis.call('INCR', KEYS[1]) error({err = '${text}'})`,
      // Text that stands nowhere in the script nor in the call.
      `redis.call('INCR', KEYS[1]) return redis.error_reply('NO' .. '${text.slice(2)}')`,
      `redis.call('INCR', KEYS[1]) return redis.error_reply(redis.call('GET', 'text'))`,
    ])
    await ask(direct, 'SET', 'text', texts[0])
    const before = await retries()
    for (const [nth, body] of bodies.entries()) {
      const call = ['EVALSHA', shaOf(body), 1]
      await ask(app, 'SCRIPT', 'LOAD', body)
      const expected = await ask(direct, ...call, 'direct')
      assert.match(expected, /^-NOSCRIPT/)
      assert.equal(await ask(app, ...call, `proxied:${nth}`), expected, body)
      assert.equal(await ask(app, ...call, `proxied:${nth}`), expected, body)
      assert.equal(await ask(app, 'GET', `proxied:${nth}`), '$1\r\n2\r\n', body)
    }
    assert.equal(await retries(), before)
  })

  it('are not known to a user who may not load them, who gets what Redis says', async () => {
    const rules = ['on', '>secret', '~*', '&*', '+@all', '-script']
    await ask(direct, 'ACL', 'SETUSER', 'limited', ...rules)
    const url = redis.url.replace('redis://', 'redis://limited:secret@')
    const limited = suite.add(await startRespool({ upstream: url }))
    const client = suite.client(await RawClient.connect(limited.port))
    assert.equal(await ask(client, 'EVAL', APPEND, 1, 'list', 'a'), ':1\r\n')
    assert.equal(await append(client, 'b'), ':2\r\n')
    assert.equal(await append(client, 'c'), ':3\r\n')
    await ask(direct, 'SCRIPT', 'FLUSH')
    assert.equal(await append(client, 'd'), missing)
    assert.equal(await ask(client, 'EVAL', APPEND, 1, 'list', 'd'), ':4\r\n')
    assert.match(await ask(client, 'SCRIPT', 'LOAD', LENGTH), /^-NOPERM/)
    assert.equal(await limited.metric('respool_script_loads_total'), 1, 'refused once, not tried again')
  })

  it('are found in transactions, in one piece and bit by bit, and by a session that watches', async () => {
    const call = ['EVALSHA', shaOf(APPEND), 1, 'list', 'x']
    await ask(app, 'EVAL', APPEND, 1, 'list', 'x')
    await ask(app, 'SCRIPT', 'FLUSH')
    const run = await pipeline(app, [['MULTI'], call, ['LLEN', 'list'], ['EXEC']])
    assert.deepEqual(run, ['+OK\r\n', '+QUEUED\r\n', '+QUEUED\r\n', '*2\r\n:2\r\n:2\r\n'])
    await ask(app, 'SCRIPT', 'FLUSH')
    const steps: string[] = []
    for (const args of [['MULTI'], call, call, ['EXEC']]) steps.push(await ask(app, ...args))
    assert.deepEqual(steps, ['+OK\r\n', '+QUEUED\r\n', '+QUEUED\r\n', '*2\r\n:3\r\n:4\r\n'])
    await ask(app, 'SCRIPT', 'FLUSH')
    await ask(app, 'WATCH', 'other')
    assert.equal(await ask(app, ...call), ':5\r\n')
    await ask(direct, 'SCRIPT', 'FLUSH')
    assert.equal(await ask(app, ...call), ':6\r\n')
    assert.equal(await ask(app, 'UNWATCH'), '+OK\r\n')
    assert.equal(await calls('eval'), 1)
  })

  it('are loaded beside a session that tracks, for which the next command counts', async () => {
    const get = "return redis.call('GET', KEYS[1])"
    await pipeline(app, [
      ['HELLO', 3],
      ['CLIENT', 'TRACKING', 'ON', 'OPTIN'],
      ['EVAL_RO', get, 1, 'k'],
      ['SCRIPT', 'FLUSH'],
      ['CLIENT', 'CACHING', 'YES'],
    ])
    assert.equal(await ask(app, 'EVALSHA_RO', shaOf(get), 1, 'k'), '_\r\n')
    await ask(direct, 'SET', 'k', 'v')
    assert.equal((await app.frame()).toString(), '>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n')
  })

  it('flushed in a transaction are loaded again after it', async () => {
    await ask(app, 'SCRIPT', 'LOAD', APPEND)
    const before = await retries()
    for (const commands of [[['MULTI'], ['SCRIPT', 'FLUSH'], ['EXEC']]]) {
      assert.equal((await pipeline(app, commands)).at(-1), '*1\r\n+OK\r\n')
      assert.match(await append(app, 'x'), /^:\d\r\n$/)
      for (const args of commands) await ask(app, ...args)
      assert.match(await append(app, 'x'), /^:\d\r\n$/)
    }
    assert.equal(await retries(), before, 'the flush was not noticed')
  })

  it('that were never sent are as unknown as directly', async () => {
    const [sha, short] = [shaOf('never seen'), 'e0e1']
    for (const args of [
      ['EVALSHA', sha, 0],
      ['EVALSHA', short, 0],
      ['EVALSHA', sha],
      ['EVALSHA', sha, 'x'],
    ]) {
      assert.equal(await ask(app, ...args), await ask(direct, ...args))
    }
  })

  it('larger than 64 KiB are passed on while they come, and not remembered', async () => {
    const body = `return 1 --${'x'.repeat(300_000)}`
    assert.equal(await ask(app, 'EVAL', body, 0), ':1\r\n')
    await ask(app, 'SCRIPT', 'FLUSH')
    assert.equal(await ask(app, 'EVALSHA', shaOf(body), 0), missing)
  })

  it('10,000 of them stay within the bounds, and those in use stay', async () => {
    const config = { scripts: { cacheBytes: '1mb', cacheCount: 500 } }
    const bounded = suite.add(await startRespool({ upstream: redis.url, config }))
    const client = suite.client(await RawClient.connect(bounded.port))
    const body = (nth: number) => `return ${nth} --${'x'.repeat(10_000)}`
    const fill = async (from: number, to: number) => {
      for (let first = from; first < to; first += 50) {
        const some = Array.from({ length: 50 }, (_, nth) => ['EVAL', body(first + nth), 0])
        assert.equal((await pipeline(client, some)).at(-1), `:${first + 49}\r\n`)
        assert.equal(await ask(client, 'EVALSHA', shaOf(body(0)), 0), ':0\r\n')
      }
      await ask(direct, 'SCRIPT', 'FLUSH')
      await ask(client, 'SCRIPT', 'FLUSH')
    }
    await fill(0, 2000)
    const before = bounded.rss()
    await fill(2000, 10_000)
    const grown = bounded.rss() - before
    assert.ok(grown < 40 * MEGABYTE, `80 MB of scripts made it grow by ${Math.round(grown / MEGABYTE)} MB`)
    const remembered = async (nth: number) => !(await ask(client, 'EVALSHA', shaOf(body(nth)), 0)).startsWith('-')
    assert.equal(await remembered(0), true, 'in use all the time')
    assert.equal(await remembered(9999), true, 'the last')
    assert.equal(await remembered(9999 - 110), false, 'more than a megabyte ago')
  })

  it('are not remembered when that is switched off', async () => {
    const off = suite.add(await startRespool({ upstream: redis.url, config: { scripts: { cacheBytes: 0 } } }))
    const client = suite.client(await RawClient.connect(off.port))
    await ask(client, 'EVAL', APPEND, 1, 'list', 'a')
    assert.equal(await append(client, 'b'), ':2\r\n')
    await ask(client, 'SCRIPT', 'FLUSH')
    assert.equal(await append(client, 'c'), missing)
    assert.equal(await off.metric('respool_script_loads_total'), 0)
  })
})

/** Why the one session of a proxy takes no further commands. */
async function held(respool: Respool): Promise<unknown> {
  const [session] = (await (await fetch(`${respool.admin}/clients`)).json()) as { held: unknown }[]
  return session.held
}

/** Stands in front of a port and, once a word comes, lets nothing more through before it is opened. */
class Gate {
  closed = false
  #armed = true
  readonly #sockets: Socket[] = []
  readonly #held: (() => void)[] = []

  static async start(target: number, word: string): Promise<Gate> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new Gate(server, target, word)
  }

  private constructor(
    readonly server: Server,
    target: number,
    word: string,
  ) {
    server.on('connection', (client: Socket) => {
      const upstream = connect(target, '127.0.0.1')
      this.#sockets.push(client, upstream)
      client.on('data', (bytes) => {
        this.closed ||= this.#armed && bytes.includes(word)
        if (this.closed) this.#held.push(() => upstream.write(bytes))
        else upstream.write(bytes)
      })
      upstream.on('data', (bytes) => client.write(bytes))
      client.on('error', () => undefined).on('close', () => upstream.destroy())
      upstream.on('error', () => undefined).on('close', () => client.destroy())
    })
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  open(): void {
    this.#armed = this.closed = false
    for (const write of this.#held.splice(0)) write()
  }

  /** Ends all connections that there are, with what was held. */
  cut(): void {
    this.#held.length = 0
    this.open()
    for (const socket of this.#sockets.splice(0)) socket.destroy()
  }

  stop(): void {
    this.cut()
    this.server.close()
  }
}
