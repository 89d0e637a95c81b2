/** What is noted of commands: slow ones, hot keys, each client's share, audits; and what RESPOOL EXPLAIN tells of them. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startCluster, type RedisCluster } from '../helpers/cluster.ts'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, pipeline } from './support.ts'

async function shown<T>({ admin }: Respool, path: string): Promise<T> {
  const response = await fetch(`${admin}${path}`)
  assert.equal(response.status, 200)
  return (await response.json()) as T
}

interface Slow {
  total: number
  commands: {
    command: string
    failed: boolean
    totalMs: number
    waitMs: number
    upstreamMs: number
    requestBytes: number | null
    replyBytes: number
    keys: number | null
    endpoint: string
    client: { id: number; name: string }
  }[]
}
interface Hot {
  sampled: number
  keys: { key: string; share: number; shareAtLeast: number }[]
}
interface Audited {
  listeners: {
    commands: number
    found: Record<string, number>
    rows: { what: string; command: string; reason: string; count: number }[]
  }[]
}

describe('what is noted', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer
  const proxy = async (config: object) => suite.add(await startRespool({ upstream: redis.url, config }))

  before(async () => void (redis = suite.add(await startRedis({ args: ['--enable-debug-command', 'yes'] }))))
  after(() => suite.run())

  it('slow commands, with where their time went, and no more than there is room for', async () => {
    const respool = await proxy({
      guard: { slowLog: { threshold: '150ms', entries: 3 } },
      pool: { leases: { max: 1, reserve: 0 } },
    })
    const [client, other] = [await RawClient.connect(respool.port), await RawClient.connect(respool.port)]
    const direct = suite.client(await RawClient.connect(redis.port))
    suite.client(client)
    suite.client(other)
    await ask(client, 'CLIENT', 'SETNAME', 'patient')
    await ask(client, 'SET', 'a', '1')
    const asleep = direct.call('DEBUG', 'SLEEP', '0.3')
    const answers = await pipeline(client, [
      ['MGET', 'a', 'b', 'c'],
      ['LPUSH', 'a', 'x'],
    ])
    assert.match(answers[1], /^-WRONGTYPE/)
    await asleep
    const { commands } = await shown<Slow>(respool, '/slowlog')
    assert.deepEqual(
      commands.map(({ command, failed, keys, requestBytes, replyBytes, endpoint, client: { name } }) => {
        return { command, failed, keys, requestBytes, replyBytes, endpoint, name }
      }),
      [
        ['LPUSH', 'a', 'x'],
        ['MGET', 'a', 'b', 'c'],
      ].map((command, nth) => ({
        command: command[0].toLowerCase(),
        failed: nth === 0,
        keys: nth === 0 ? 1 : 3,
        requestBytes: encode(command).length,
        replyBytes: answers[1 - nth].length,
        endpoint: `127.0.0.1:${redis.port}`,
        name: 'patient',
      })),
    )
    for (const { upstreamMs, totalMs } of commands) assert.ok(upstreamMs >= 150 && totalMs >= upstreamMs)

    // A blocking call is slow by intention, but who waits for its lease is not.
    const blocked = other.call('BLPOP', 'queue', '0')
    await until(async () => (await respool.metric('respool_pins_total', { reason: 'blocking' })) === 1, 'it blocks')
    const watching = client.call('WATCH', 'a')
    await sleep(300)
    await direct.call('RPUSH', 'queue', 'x')
    await Promise.all([blocked, watching])
    const [newest, ...older] = (await shown<Slow>(respool, '/slowlog')).commands
    assert.equal(newest.command, 'watch')
    assert.ok(newest.waitMs >= 150 && newest.waitMs <= newest.totalMs)
    assert.equal(older.length, 2)
    await ask(client, 'UNWATCH')

    const again = direct.call('DEBUG', 'SLEEP', '0.3')
    await pipeline(client, [
      ['GET', 'x'],
      ['GET', 'y'],
    ])
    await again
    const { total, commands: last } = await shown<Slow>(respool, '/slowlog')
    assert.equal(total, 5)
    assert.deepEqual(
      last.map(({ command }) => command),
      ['get', 'get', 'watch'],
    )
  })

  it('hot keys: the hottest first, by their digest or as they are', async () => {
    for (const keyNames of ['hash', 'full', 'prefix']) {
      const respool = await proxy({ guard: { keyNames, hotKeys: { sample: 5, keys: 20 } } })
      const client = suite.client(await RawClient.connect(respool.port))
      const commands = Array.from({ length: 5000 }, (_, i) =>
        i % 10 === 0 ? ['GET', `cold:${i}`] : ['INCR', 'global:page_views'],
      )
      await pipeline(client, commands)
      const { keys, sampled } = await shown<Hot>(respool, '/hotkeys')
      assert.ok(sampled > 500 && sampled < 2000, `${sampled} of 5000 were looked at`)
      assert.ok(keys.length <= 20)
      const sha = createHash('sha256').update('global:page_views').digest('hex').slice(0, 12)
      const names: Record<string, string> = { hash: `sha256:${sha}`, full: 'global:page_views', prefix: 'global:…' }
      assert.equal(keys[0].key, names[keyNames])
      assert.ok(keys[0].share > 0.8 && keys[0].share <= 1 && keys[0].shareAtLeast <= keys[0].share)
      assert.ok(keys.slice(1).every(({ shareAtLeast }) => shareAtLeast < 0.05))
    }
  })

  it('nothing, where that is switched off', async () => {
    const guard = { rules: [], slowLog: { threshold: 0 }, hotKeys: { sample: 0 } }
    const respool = await proxy({ guard })
    const client = suite.client(await RawClient.connect(respool.port))
    await pipeline(client, [
      ['KEYS', '*'],
      ['GET', 'a'],
      ['DEBUG', 'SLEEP', '0'],
    ])
    assert.deepEqual((await shown<Slow>(respool, '/slowlog')).commands, [])
    assert.deepEqual((await shown<Hot>(respool, '/hotkeys')).keys, [])
    assert.deepEqual((await shown<Audited>(respool, '/audit')).listeners, [])
    assert.equal(await respool.metric('respool_guard_total'), 0)
  })

  it('what each client has done', async () => {
    const respool = await proxy({})
    const client = suite.client(await RawClient.connect(respool.port))
    const commands = [['CLIENT', 'SETNAME', 'busy'], ['SET', 'n', 'x'], ['INCR', 'n'], ['ECHO'], ['GET', 'n']]
    const replies = await pipeline(client, commands)
    await pipeline(client, [['WATCH', 'n'], ['UNWATCH']])
    const clients = await shown<Record<string, unknown>[]>(respool, '/clients')
    const {
      commands: count,
      errors,
      bytesIn,
      bytesOut,
      pins,
      lastCommand,
    } = clients.find(({ name }) => name === 'busy')!
    assert.deepEqual(
      { count, errors, bytesIn, bytesOut, pins, lastCommand },
      {
        count: 7,
        errors: 2,
        bytesIn: Buffer.concat([...commands, ['WATCH', 'n'], ['UNWATCH']].map(encode)).length,
        bytesOut: replies.join('').length + 10,
        pins: 1,
        lastCommand: 'unwatch',
      },
    )
  })

  it('in an audit, everything that would become of commands, while nothing is denied', async () => {
    const rules = ['deny keys', 'deny @write ~secret:*', 'warn flushall']
    const respool = await proxy({ guard: { rules, audit: 'on', manyKeys: { keys: 2, action: 'deny' } } })
    const client = suite.client(await RawClient.connect(respool.port))
    const commands = [
      ...[
        ['SET', 'secret:1', 'x'],
        ['KEYS', 'none'],
        ['KEYS', 'none'],
        ['FLUSHALL'],
        ['DEL', 'a', 'b', 'c'],
        ['DEBUG', 'JMAP'],
      ],
      ...[
        ['MGET', 'a', 'b'],
        ['SINTER', 'a', 'b'],
        ['SELECT', '1'],
        ['SELECT', '0'],
        ['SCAN', '0'],
      ],
      ...[['MULTI'], ['SET', 'a', '1'], ['SET', 'b', '2'], ['EXEC']],
      ...[['MULTI'], ['SET', 'a', '1'], ['GET', 'a'], ['EXEC']],
      ['WATCH', 'a'],
    ]
    const replies = await pipeline(client, commands)
    assert.equal(replies.filter((reply) => reply.startsWith('-')).length, 1, 'only DEBUG is refused')
    const { listeners } = await shown<Audited>(respool, '/audit')
    assert.equal(listeners.length, 1)
    assert.equal(listeners[0].commands, commands.length)
    const rows = listeners[0].rows.map(({ what, command, reason, count }) => `${what} ${command} (${reason}): ${count}`)
    assert.deepEqual(rows.sort(), [
      'denied del (manyKeys): 1',
      'denied keys (keys): 2',
      'denied set (@write ~secret:*): 1',
      'pinned watch (watch): 1',
      'refused debug (refused): 1',
      'refusedOnCluster select (selectOnCluster): 1',
      'refusedOnCluster set (crossSlot): 1',
      'refusedOnCluster sinter (crossSlot): 1',
      'split del (slots): 1',
      'split flushall (primaries): 1',
      'split keys (primaries): 2',
      'split mget (slots): 1',
      'split scan (scan): 1',
      'warned flushall (flushall): 1',
    ])
    assert.equal(await respool.metric('respool_guard_total', { action: 'spared' }), 4)
    assert.equal(await respool.metric('respool_guard_total', { action: 'deny' }), 0)
  })
})

describe('RESPOOL', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer
  let cluster: RedisCluster
  const clients: Record<string, RawClient> = {}

  before(async () => {
    redis = suite.add(await startRedis())
    cluster = suite.add(await startCluster())
    for (const [name, upstream] of [
      ['one', redis.url],
      ['cluster', cluster.url],
    ] as const) {
      const config = { guard: { rules: ['deny keys', 'warn flushall', 'deny @write ~secret:*'] } }
      const respool = suite.add(await startRespool({ upstream, config }))
      const client = suite.client(await RawClient.connect(respool.port))
      clients[name] = client
      await ask(client, 'GET', 'x')
    }
  })
  after(() => suite.run())

  /** The fields of an answer of flat strings, integers and lists. */
  function fields(frame: string): Record<string, string> {
    const words = frame.split('\r\n').slice(1, -1)
    const texts = words.filter((word) => !/^[$*]\d+$/.test(word)).map((word) => word.replace(/^:/, ''))
    const found: Record<string, string> = {}
    const names = [
      'command',
      'route',
      'reason',
      'rules',
      'error',
      'keys',
      'slot',
      'node',
      'nodes',
      'role',
      'lease',
      'parts',
      'merge',
    ]
    for (let i = 0, name = ''; i < texts.length; i++) {
      if (names.includes(texts[i]) && (name === '' || name in found)) name = texts[i]
      else found[name] = name in found ? `${found[name]} ${texts[i]}` : texts[i]
    }
    return found
  }

  const explained = async (where: string, command: string) =>
    fields(await ask(clients[where], 'RESPOOL', 'EXPLAIN', ...command.split(' ')))

  const told: [where: string, command: string, expected: Record<string, string>][] = [
    ['one', 'GET a', { command: 'get', route: 'shared', keys: '1', role: 'primary' }],
    [
      'one',
      'KEYS *',
      { route: 'refused', rules: 'deny keys', error: "NOPERM this user has no permissions to run the 'keys' command" },
    ],
    ['one', 'SET secret:1 x', { route: 'refused', rules: 'deny @write ~secret:*' }],
    ['one', 'FLUSHALL', { route: 'shared', rules: 'warn flushall' }],
    ['one', 'MGET a b', { route: 'shared', keys: '2' }],
    ['one', 'BLPOP k 0', { route: 'lease', lease: 'blocking' }],
    ['one', 'XREAD STREAMS s 0', { route: 'shared' }],
    ['one', 'WATCH a', { route: 'lease', lease: 'watch' }],
    ['one', 'MULTI', { route: 'lease', lease: 'multi' }],
    ['one', 'SUBSCRIBE a', { route: 'subscriptions' }],
    ['one', 'CLIENT ID', { command: 'client|id', route: 'local' }],
    ['one', 'CLIENT TRACKING ON', { route: 'lease', lease: 'tracking' }],
    ['one', 'DEBUG JMAP', { route: 'refused' }],
    ['one', 'NOSUCH x', { command: 'unknown', route: 'shared' }],
    ['one', 'GET', { route: 'shared', reason: 'has the wrong number of arguments' }],
    ['cluster', 'GET a', { route: 'shared', slot: '15495' }],
    ['cluster', 'MGET a b c', { route: 'split', parts: '3', merge: 'places' }],
    ['cluster', 'DBSIZE', { route: 'split', merge: 'sum' }],
    ['cluster', 'SINTER a b', { route: 'refused', error: "CROSSSLOT Keys in request don't hash to the same slot" }],
    ['cluster', 'CLIENT TRACKING ON', { route: 'refused' }],
    ['cluster', 'SELECT 1', { route: 'refused', error: 'ERR SELECT is not allowed in cluster mode' }],
  ]
  for (const [where, command, expected] of told) {
    it(`EXPLAIN ${command}, with ${where === 'one' ? 'one Redis' : 'a cluster'}`, async () => {
      const found = await explained(where, command)
      assert.deepEqual(Object.fromEntries(Object.keys(expected).map((name) => [name, found[name]])), expected)
    })
  }

  it('EXPLAIN names the node that the command then goes to, and does not carry it out', async () => {
    const { node } = await explained('cluster', 'SET b 1')
    const owner = await cluster.ownerOf(3300)
    assert.equal(node, `127.0.0.1:${owner.server.port}`)
    assert.equal(await ask(clients['cluster'], 'EXISTS', 'b'), ':0\r\n')
    await explained('one', 'SET b 1')
    assert.equal(await ask(clients['one'], 'EXISTS', 'b'), ':0\r\n')
  })

  it('is a map in RESP3, has help, and is not for transactions', async () => {
    const [client] = [clients['one']]
    await ask(client, 'HELLO', '3')
    assert.match(await ask(client, 'RESPOOL', 'EXPLAIN', 'PING'), /^%4\r\n\$7\r\ncommand\r\n\$4\r\nping\r\n/)
    assert.match(await ask(client, 'RESPOOL', 'HELP'), /^\*5\r\n\+RESPOOL /)
    assert.equal(await ask(client, 'RESPOOL'), "-ERR wrong number of arguments for 'respool' command\r\n")
    assert.equal(await ask(client, 'respool', 'x'), "-ERR unknown subcommand 'x'. Try RESPOOL HELP.\r\n")
    const refused = "-ERR respool answers 'respool' itself, and cannot do so within a transaction\r\n"
    const replies = await pipeline(client, [['MULTI'], ['RESPOOL', 'HELP'], ['EXEC'], ['PING']])
    assert.deepEqual(replies.slice(1, 2), [refused])
    assert.match(replies[2], /^-EXECABORT/)
  })
})
