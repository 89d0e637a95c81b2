/** Rules: what is denied is answered as by a Redis whose ACL forbids it, in any cut of the stream; what is not passes. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { startCluster, type RedisCluster } from '../helpers/cluster.ts'
import { freePort } from '../helpers/ports.ts'
import { encode, pieces, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, pipeline } from './support.ts'

/** The same in the language of ACLs and in that of rules. */
const ACL = ['on', 'nopass', '~app:*', '&app:*', '+@all', '-@dangerous', '-config', '+config|get', '-xgroup|destroy']
const RULES = [
  'allow config|get',
  'deny @dangerous config xgroup|destroy',
  'allow @all ~app:* ~public?',
  'deny @all ~*',
  'allow @all &app:*',
  'deny @all &*',
]

const STREAM = [
  ['SET', 'app:1', 'x'],
  ['KEYS', '*'],
  ['keys', '*'],
  ['KEYS'],
  ['SET', 'other', 'x'],
  ['GET', 'other'],
  ['GET', ''],
  ['MSET', 'app:1', '1', 'other', '2'],
  ['MSET', 'app:1', '1', 'app:2', '2'],
  ['DEL', 'other', 'app:2'],
  ['CONFIG', 'SET', 'maxmemory', '1'],
  ['CONFIG', 'GET', 'maxmemory-policy'],
  ['OBJECT', 'NOSUCH', 'x'],
  ['CONFIG'],
  ['NOSUCHCOMMAND', 'x'],
  ['INFO'],
  ['CLIENT', 'LIST'],
  ['CLIENT', 'SETNAME', 'me'],
  ['PUBLISH', 'app:c', 'x'],
  ['PUBLISH', 'other', 'x'],
  ['SPUBLISH', 'other', 'x'],
  ['SUBSCRIBE', 'app:c', 'other'],
  ['PSUBSCRIBE', 'app:*', '*'],
  ['SSUBSCRIBE', 'other'],
  ['XGROUP', 'DESTROY', 'app:s', 'g'],
  ['XGROUP', 'CREATE', 'app:s', 'g', '$', 'MKSTREAM'],
  ['EVAL', 'return redis.call("get", KEYS[1])', '1', 'other'],
  ['EVAL', 'return redis.call("get", KEYS[1])', '1', 'app:1'],
  ['BLPOP', 'other', '1'],
  ['WATCH', 'app:1', 'other'],
  ['MULTI'],
  ['SET', 'app:1', 'y'],
  ['KEYS', '*'],
  ['SET', 'other', 'y'],
  ['SET', 'app:2', 'y'],
  ['EXEC'],
  ['GET', 'app:1'],
  ['MULTI'],
  ['SET', 'other', 'y'],
  ['DISCARD'],
  ['MULTI'],
  ['SET', 'app:1', 'z'],
  ['GET', 'app:1'],
  ['EXEC'],
  ['WATCH', 'app:1'],
  ['FLUSHALL'],
  ['MULTI'],
  ['FLUSHALL'],
  ['EXEC'],
  ['EXEC'],
  ['PING'],
  ['GET', 'app:1'],
]

type Play = (client: RawClient) => Promise<string[]>

const one: Play = async (client) => {
  const replies = []
  for (const command of STREAM) replies.push(await ask(client, ...command))
  return replies
}

const cut: (size: number) => Play = (size) => async (client) => {
  const sent = client.sendPieces(pieces(Buffer.concat(STREAM.map(encode)), size))
  const replies: string[] = []
  while (replies.length < STREAM.length) replies.push((await client.frame()).toString('latin1'))
  await sent
  return replies
}

describe('rules', { timeout: 90_000 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer
  let respool: Respool
  let control: RawClient

  before(async () => {
    redis = suite.add(await startRedis())
    control = suite.client(await RawClient.connect(redis.port))
    assert.equal(await ask(control, 'ACL', 'SETUSER', 'limited', ...ACL, '~public?'), '+OK\r\n')
    respool = suite.add(await startRespool({ upstream: redis.url, config: { guard: { rules: RULES } } }))
  })
  beforeEach(async () => void (await ask(control, 'FLUSHALL')))
  after(() => suite.run())

  const ways: [string, Play][] = [
    ['one at a time', one],
    ['in one write', (client) => pipeline(client, STREAM)],
    ['byte by byte', cut(1)],
    ['in pieces of 61 bytes', cut(61)],
  ]
  for (const protocol of ['2', '3']) {
    for (const [name, play] of ways) {
      it(`are answered as ACLs are: RESP${protocol}, ${name}`, async () => {
        const direct = await RawClient.connect(redis.port)
        await ask(direct, 'HELLO', protocol, 'AUTH', 'limited', 'x')
        const expected = await play(direct)
        assert.ok(expected.some((reply) => reply.startsWith('-NOPERM')))
        await ask(control, 'FLUSHALL')
        const client = await RawClient.connect(respool.port)
        await ask(client, 'HELLO', protocol)
        assert.deepEqual(await play(client), expected)
        direct.close()
        client.close()
      })
    }
  }

  it('let subscribe to channels and patterns that they allow, in the midst of messages too', async () => {
    const commands = [
      ['SUBSCRIBE', 'app:c'],
      ['SUBSCRIBE', 'other'],
      ['PSUBSCRIBE', 'app:*'],
      ['PSUBSCRIBE', 'ap*'],
      ['PING'],
    ]
    const direct = suite.client(await RawClient.connect(redis.port))
    await ask(direct, 'AUTH', 'limited', 'x')
    const client = suite.client(await RawClient.connect(respool.port))
    for (const command of commands) assert.equal(await ask(client, ...command), await ask(direct, ...command))
    await ask(control, 'PUBLISH', 'app:c', 'm')
    for (let nth = 0; nth < 2; nth++) assert.deepEqual(await client.frame(), await direct.frame())
  })

  it('count, and log without the key', async () => {
    const before = await respool.metric('respool_guard_total', { rule: '@all ~*', action: 'deny' })
    const client = suite.client(await RawClient.connect(respool.port))
    await pipeline(client, [['SET', 'quite-secret', 'x'], ['GET', 'quite-secret'], ['PING']])
    assert.equal((await respool.metric('respool_guard_total', { rule: '@all ~*', action: 'deny' })) - before, 2)
    const line = respool
      .output()
      .split('\n')
      .find((text) => text.includes('"event":"guard"') && text.includes('"set"'))
    assert.ok(line)
    const { action, rule, command, keys, firstKey } = JSON.parse(line) as Record<string, unknown>
    assert.deepEqual({ action, rule, command, keys }, { action: 'deny', rule: '@all ~*', command: 'set', keys: 1 })
    assert.match(String(firstKey), /^sha256:[\da-f]{12}$/)
    assert.ok(!respool.output().includes('quite-secret'))
  })

  it('hold for requests too large to be kept, by their first key or by all of them', async () => {
    const client = suite.client(await RawClient.connect(respool.port))
    const large = 'x'.repeat(300_000)
    const commands = [
      ['SET', 'other', large],
      ['MSET', 'app:1', large, 'other', '1'],
      ['MSET', 'app:1', large, 'app:2', '1'],
      ['FLUSHALL', large],
      ['MULTI'],
      ['SET', 'other', large],
      ['EXEC'],
      ['STRLEN', 'app:1'],
    ]
    const replies = await pipeline(client, commands)
    assert.deepEqual(
      replies.map((reply) => reply.split(' ', 1)[0].trim()),
      ['-NOPERM', '-NOPERM', '+OK', '-NOPERM', '+OK', '-NOPERM', '-EXECABORT', ':300000'],
    )
    assert.equal(await ask(control, 'EXISTS', 'other'), ':0\r\n')
  })

  it('hold for commands of a session that is passed through as it is, by ending it', async () => {
    const lenient = suite.add(
      await startRespool({ upstream: redis.url, config: { guard: { rules: ['deny flushall'] } } }),
    )
    await ask(control, 'SET', 'kept', '1')
    const client = suite.client(await RawClient.connect(lenient.port))
    assert.equal(await ask(client, 'MONITOR'), '+OK\r\n')
    client.send(encode(['PING']))
    client.send(encode(['FLUSHALL']))
    await client.closed
    assert.equal(await ask(control, 'GET', 'kept'), '$1\r\n1\r\n')
    assert.equal(await lenient.metric('respool_guard_total', { rule: 'flushall', action: 'deny' }), 1)
  })

  it('are those of the listener before those of all, and change with a reload while connections stay', async () => {
    const [first, second] = [await freePort(), await freePort()]
    const config = (rules: string[]) => ({
      listen: [`127.0.0.1:${first}`, { address: `127.0.0.1:${second}`, rules: ['allow keys'] }],
      guard: { rules },
    })
    const strict = suite.add(await startRespool({ upstream: redis.url, config: config(['deny keys']) }))
    const clients = [suite.client(await RawClient.connect(first)), suite.client(await RawClient.connect(second))]
    const answers = () => Promise.all(clients.map(async (client) => (await ask(client, 'KEYS', '*')).slice(0, 2)))
    assert.deepEqual(await answers(), ['-N', '*0'])
    strict.configure(config(['deny get']))
    const reloaded = await fetch(`${strict.admin}/reload`, { method: 'POST' })
    assert.equal(reloaded.status, 200)
    assert.deepEqual(await answers(), ['*0', '*0'])
    assert.match(await ask(clients[0], 'GET', 'x'), /^-NOPERM/)
  })
})

describe('by default', { timeout: 30_000 }, () => {
  const suite = new Cleanup()
  after(() => suite.run())

  it('nothing is denied, but dangerous commands are counted', async () => {
    const redis = suite.add(await startRedis())
    const respool = suite.add(await startRespool({ upstream: redis.url }))
    const client = suite.client(await RawClient.connect(respool.port))
    const commands = [['SET', 'k', 'v'], ['KEYS', '*'], ['CONFIG', 'SET', 'maxmemory', '0'], ['FLUSHALL'], ['GET', 'k']]
    const replies = ['+OK\r\n', '*1\r\n$1\r\nk\r\n', '+OK\r\n', '+OK\r\n', '$-1\r\n']
    assert.deepEqual(await pipeline(client, commands), replies)
    const counts = ['keys', 'config|set', 'flushall'].map((rule) =>
      respool.metric('respool_guard_total', { rule, action: 'warn' }),
    )
    assert.deepEqual(await Promise.all(counts), [1, 1, 1])
    assert.equal(await respool.metric('respool_guard_total'), 3)
    assert.match(respool.output(), /"event":"guard","action":"warn","rule":"keys","command":"keys"/)
  })

  it('a rule for a command that nobody knows is logged', async () => {
    const redis = suite.add(await startRedis())
    const guard = { rules: ['deny flushal keys'] }
    const respool = suite.add(await startRespool({ upstream: redis.url, config: { guard } }))
    assert.match(respool.output(), /"event":"guard_rule_for_unknown_command","commands":\["flushal"\]/)
  })
})

describe('limits', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  let respool: Respool
  let client: RawClient

  before(async () => {
    const redis = suite.add(await startRedis())
    const guard = {
      bigRequest: { bytes: '200kb', action: 'deny' },
      bigReply: { bytes: 1000, action: 'warn' },
      manyKeys: { keys: 3, action: 'deny' },
      endlessBlock: 'deny',
      noTtl: { prefixes: ['cache:'], action: 'deny' },
    }
    respool = suite.add(await startRespool({ upstream: redis.url, config: { guard } }))
    client = suite.client(await RawClient.connect(respool.port))
  })
  after(() => suite.run())

  const denied: [rule: string, setting: string, command: string[]][] = [
    ['bigRequest', 'guard.bigRequest', ['SET', 'k', 'x'.repeat(300_000)]],
    ['manyKeys', 'guard.manyKeys', ['DEL', 'a', 'b', 'c', 'd']],
    ['manyKeys', 'guard.manyKeys', ['UNLINK', ...Array.from({ length: 20_000 }, (_, i) => `key:${i}`)]],
    ['endlessBlock', 'guard.endlessBlock', ['BLPOP', 'k', '0']],
    ['endlessBlock', 'guard.endlessBlock', ['XREAD', 'BLOCK', '0', 'STREAMS', 's', '$']],
    ['noTtl', 'guard.noTtl', ['SET', 'cache:1', 'EX']],
    ['noTtl', 'guard.noTtl', ['MSET', 'k', 'v', 'cache:1', 'v']],
    ['noTtl', 'guard.noTtl', ['GETSET', 'cache:1', 'v']],
  ]
  for (const [rule, setting, command] of denied) {
    it(`${rule} denies ${command.join(' ').slice(0, 40)}`, async () => {
      const before = await respool.metric('respool_guard_total', { rule, action: 'deny' })
      assert.match(await ask(client, ...command), new RegExp(`^-ERR respool refuses .*: see ${setting}\r\n$`))
      assert.equal((await respool.metric('respool_guard_total', { rule, action: 'deny' })) - before, 1)
      assert.equal(await ask(client, 'PING'), '+PONG\r\n')
    })
  }

  it('let pass what keeps to them', async () => {
    const commands = [
      ['SET', 'k', 'x'.repeat(150_000)],
      ['SET', 'cache:1', 'v', 'PX', '100000'],
      ['SET', 'cache:1', 'v', 'keepttl'],
      ['SETEX', 'cache:2', '100', 'v'],
      ['MSET', 'a', '1', 'b', 'cache:'],
      ['DEL', 'a', 'b', 'c'],
      ['BLPOP', 'nothing', '0.01'],
      ['XREAD', 'STREAMS', 's', '0'],
    ]
    const replies = await pipeline(client, commands)
    assert.ok(
      replies.every((reply) => !reply.startsWith('-')),
      replies.join(''),
    )
  })

  it('hold in a transaction that comes in one piece', async () => {
    const commands = [['MULTI'], ['SET', 'a', '1'], ['SET', 'cache:3', 'v'], ['EXEC'], ['EXISTS', 'cache:3']]
    const replies = await pipeline(client, commands)
    assert.match(replies[2], /see guard.noTtl/)
    assert.match(replies[3], /^-EXECABORT/)
    assert.equal(replies[4], ':0\r\n')
  })

  it('let a blocking call pass in a transaction, where it does not block', async () => {
    const commands = [['MULTI'], ['BLPOP', 'nothing', '0'], ['EXEC']]
    assert.deepEqual(await pipeline(client, commands), ['+OK\r\n', '+QUEUED\r\n', '*1\r\n*-1\r\n'])
    const replies: string[] = []
    for (const command of commands) replies.push(await ask(client, ...command))
    assert.deepEqual(replies, ['+OK\r\n', '+QUEUED\r\n', '*1\r\n*-1\r\n'])
    assert.match(await ask(client, 'BLPOP', 'nothing', '0'), /see guard.endlessBlock/)
  })

  it('count a large reply', async () => {
    await pipeline(client, [
      ['SET', 'big', 'x'.repeat(2000)],
      ['GET', 'big'],
      ['GET', 'a'],
    ])
    assert.equal(await respool.metric('respool_guard_total', { rule: 'bigReply', action: 'warn' }), 1)
  })

  it('count many arguments that are too large together, though they cannot be stopped then', async () => {
    const before = await respool.metric('respool_guard_total', { rule: 'bigRequest', action: 'warn' })
    const values = Array.from({ length: 30 }, (_, i) => [`k${i}`, 'x'.repeat(10_000)]).flat()
    assert.equal(await ask(client, 'MSET', ...values), '+OK\r\n')
    assert.equal((await respool.metric('respool_guard_total', { rule: 'bigRequest', action: 'warn' })) - before, 1)
  })
})

describe('rules on a cluster', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  let cluster: RedisCluster
  let respool: Respool

  before(async () => {
    cluster = suite.add(await startCluster())
    const guard = { rules: ['deny keys', 'deny @write ~secret:*'] }
    respool = suite.add(await startRespool({ upstream: cluster.url, config: { guard } }))
  })
  after(() => suite.run())

  for (const whole of [true, false]) {
    it(`hold in transactions that come ${whole ? 'as a whole' : 'bit by bit'}, and for each part of a split command`, async () => {
      const client = suite.client(await RawClient.connect(respool.port))
      const commands = [
        ['MULTI'],
        ['SET', '{a}1', '1'],
        ['SET', 'secret:1', '1'],
        ['EXEC'],
        ['MULTI'],
        ['KEYS', '*'],
        ['SET', '{a}1', '1'],
        ['EXEC'],
        ['MULTI'],
        ['SET', '{a}1', '1'],
        ['GET', '{a}1'],
        ['EXEC'],
        ['MSET', 'x', '1', 'y', '2', 'secret:2', '3'],
        ['MGET', 'x', 'y', 'secret:2'],
        ['KEYS', '*'],
        ['GET', '{a}1'],
      ]
      const replies: string[] = []
      if (whole) replies.push(...(await pipeline(client, commands)))
      else for (const command of commands) replies.push(await ask(client, ...command))
      const keys = "-NOPERM this user has no permissions to run the 'keys' command\r\n"
      const secret = '-NOPERM this user has no permissions to access one of the keys used as arguments\r\n'
      const aborted = '-EXECABORT Transaction discarded because of previous errors.\r\n'
      assert.deepEqual(replies, [
        ...['+OK\r\n', '+QUEUED\r\n', secret, aborted],
        ...['+OK\r\n', keys, '+QUEUED\r\n', aborted],
        ...['+OK\r\n', '+QUEUED\r\n', '+QUEUED\r\n', '*2\r\n+OK\r\n$1\r\n1\r\n'],
        ...[secret, '*3\r\n$-1\r\n$-1\r\n$-1\r\n', keys, '$1\r\n1\r\n'],
      ])
      await until(() => client.pending.length === 0, 'nothing is left over')
    })
  }
})
