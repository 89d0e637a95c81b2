/** Nodes of a cluster that redirect for ever, to nowhere, or refuse at the worst moment. */
import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { FakeCluster } from '../helpers/fake-cluster.ts'
import { freePort } from '../helpers/ports.ts'
import { encode, RawClient } from '../helpers/raw.ts'
import { type Respool, startRespool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, connectAll, pipeline } from './support.ts'

const OK = '+OK\r\n'
const TRYAGAIN = '-TRYAGAIN Multiple keys request during rehashing of slot\r\n'
const CLUSTERDOWN = '-CLUSTERDOWN The cluster is down\r\n'
const LOADING = '-LOADING Redis is loading the dataset in memory\r\n'
const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`
const isSet = (args: string[], key: string, value?: string) =>
  args[0] === 'SET' && args[1] === key && (value ?? args[2]) === args[2]

describe('nodes that redirect', { timeout: 300_000 }, () => {
  const cleanup = new Cleanup()
  afterEach(() => cleanup.run())

  async function start(
    upstream: object = {},
    more: object = {},
  ): Promise<{ cluster: FakeCluster; respool: Respool; client: RawClient }> {
    const cluster = cleanup.add(await FakeCluster.start())
    const config = { upstream: { commandTimeout: '1s', ...upstream }, ...more }
    const respool = cleanup.add(await startRespool({ upstream: cluster.url, config }))
    const client = cleanup.client(await RawClient.connect(respool.port))
    for (const node of [0, 1])
      await until(async () => (await ask(client, 'SET', cluster.key(node), 'first')) === OK, 'it is connected')
    cluster.log.length = 0
    return { cluster, respool, client }
  }

  /** All is as it should be again, in this session and for a new one. */
  async function goesOn({ cluster, respool, client }: Awaited<ReturnType<typeof start>>): Promise<void> {
    cluster.answer = () => undefined
    for (const session of [client, cleanup.client(await RawClient.connect(respool.port))]) {
      const sets = [0, 1].map((node) => ['SET', cluster.key(node, 77), `${node}`])
      const gets = [0, 1].map((node) => ['GET', cluster.key(node, 77)])
      assert.deepEqual(await pipeline(session, [...sets, ...gets]), [OK, OK, bulk('0'), bulk('1')])
    }
    const { endpoints } = (await (await fetch(`${respool.admin}/stats`)).json()) as {
      endpoints: { waiters: number; connections: { pinned: number } }[]
    }
    for (const { waiters } of endpoints) assert.equal(waiters, 0)
  }

  it('in a circle are given up in time, after 16 hops at most, with their error', async () => {
    const all = await start()
    const { cluster, client } = all
    const key = cluster.key(0)
    cluster.answer = (args, node) => (args[0] === 'INCR' ? cluster.moved(key, 1 - node.nth) : undefined)
    assert.match(await ask(client, 'INCR', key), /^-MOVED /)
    assert.ok(cluster.count('INCR') > 5)
    assert.ok(cluster.count('INCR') <= 17)
    await goesOn(all)
  })

  it('in a circle until they agree: the command is done', async () => {
    const all = await start({ commandTimeout: '10s' })
    const { cluster, client } = all
    const key = cluster.key(0)
    const agreed = performance.now() + 300
    cluster.answer = (args, node) =>
      args[0] === 'INCR' && performance.now() < agreed ? cluster.moved(key, 1 - node.nth) : undefined
    assert.equal(await ask(client, 'SET', key, '1'), OK)
    assert.equal(await ask(client, 'INCR', key), ':2\r\n')
    await goesOn(all)
  })

  it('to where nobody is: the error says so in time, and others do not feel it', async () => {
    const all = await start({ holdTime: '300ms' })
    const { cluster, client, respool } = all
    const key = cluster.key(0)
    const nowhere = cluster.moved(key, 0).replace(/:\d+\r/, `:${await freePort()}\r`)
    cluster.answer = (args) => (args[1] === key ? nowhere : undefined)
    const other = cleanup.client(await RawClient.connect(respool.port))
    const reply = ask(client, 'SET', key, 'v')
    const others = await pipeline(
      other,
      Array.from({ length: 50 }, (_, nth) => ['SET', cluster.key(nth % 2, 1 + nth), 'v']),
    )
    assert.deepEqual(new Set(others), new Set([OK]))
    assert.match(await reply, /^-(TRYAGAIN|MOVED) /)
    await goesOn(all)
  })

  it('with ASK to one that says MOVED: every attempt there comes behind ASKING, and the command is done once', async () => {
    const all = await start()
    const { cluster, client } = all
    const key = `${cluster.key(0)}n`
    let refusals = 0
    cluster.answer = (args, node) => {
      if (args[0] !== 'INCR' || ++refusals > 5) return undefined
      return node.nth === 0 ? cluster.ask(key, 1) : cluster.moved(key, 0)
    }
    assert.equal(await ask(client, 'INCR', key), ':1\r\n')
    const at = cluster.log.map(({ node, args }) => `${args[0]} ${node}`)
    assert.deepEqual(
      at,
      ['INCR 0', 'ASKING 1', 'INCR 1', 'INCR 0', 'ASKING 1', 'INCR 1', 'INCR 0', 'ASKING 1', 'INCR 1'].slice(
        0,
        at.length,
      ),
    )
    assert.equal(cluster.nodes[0].values.get(key) ?? cluster.nodes[1].values.get(key), '1')
    await goesOn(all)
  })

  it('or say TRYAGAIN for ever: their error comes when the time of the command is over', async () => {
    const all = await start({ commandTimeout: '700ms' })
    const { cluster, client } = all
    const key = cluster.key(0)
    cluster.answer = (args) => (args[0] === 'MSET' ? TRYAGAIN : undefined)
    const began = performance.now()
    const replies = await pipeline(client, [
      ['MSET', key, '1', `${key}b`, '2'],
      ['GET', cluster.key(1)],
    ])
    const took = performance.now() - began
    assert.deepEqual(replies, [TRYAGAIN, bulk('first')])
    assert.ok(took > 600, `given up after ${took} ms`)
    assert.ok(cluster.count('MSET') < 12, `${cluster.count('MSET')} attempts`)
    await goesOn(all)
  })

  it('or refuse what stands ahead of a transaction: nobody waits for ever', async () => {
    const all = await start({ commandTimeout: '5s' })
    const { cluster, client } = all
    const [near, far] = [cluster.key(0), cluster.key(1)]
    let refusals = 0
    cluster.answer = (args) => (isSet(args, near) && ++refusals === 1 ? CLUSTERDOWN : undefined)
    const replies = await pipeline(client, [
      ['SET', near, 'v'],
      ['MULTI'],
      ['INCR', `${far}n`],
      ['EXEC'],
      ['GET', near],
    ])
    assert.deepEqual(replies, [OK, OK, '+QUEUED\r\n', '*1\r\n:1\r\n', bulk('v')])
    await goesOn(all)
  })

  it('or never answer what is behind: what was refused fails in its time', async () => {
    const all = await start({ commandTimeout: '500ms' })
    const { cluster, client } = all
    const key = cluster.key(0)
    cluster.answer = (args) => (isSet(args, key) ? CLUSTERDOWN : args[0] === 'STRLEN' ? null : undefined)
    const replies = await pipeline(client, [
      ['SET', key, 'v'],
      ['STRLEN', cluster.key(1)],
    ])
    assert.equal(replies[0], CLUSTERDOWN)
    assert.match(replies[1], /^-(OUTCOMEUNKNOWN|TRYAGAIN) /)
    await goesOn(all)
  })

  it('or refuse a write: what reads it finds it, and what writes the same after it is not undone', async () => {
    const all = await start()
    const { cluster, client } = all
    const [key, neighbour] = [cluster.key(0), `${cluster.key(0)}n`]
    let refusals = 0
    cluster.answer = (args) => (isSet(args, key, '1') && ++refusals % 2 === 1 ? CLUSTERDOWN : undefined)
    const read = await pipeline(client, [['SET', key, '1'], ['GET', key], ['SET', neighbour, 'x'], ['PING']])
    assert.deepEqual(read, [OK, bulk('1'), OK, '+PONG\r\n'])
    const written = await pipeline(client, [
      ['SET', key, '1'],
      ['SET', key, '2'],
      ['GET', key],
    ])
    assert.deepEqual(written, [CLUSTERDOWN, OK, bulk('2')])
    await goesOn(all)
  })

  it('or refuse a read several times: it does not find what was written behind it', async () => {
    const all = await start({ commandTimeout: '5s' })
    const { cluster, respool } = all
    const left = new Map<string, number>()
    const clients = await connectAll(respool.port, 60)
    // How long each waits is a matter of chance.
    const played = clients.map(async (client, nth) => {
      cleanup.client(client)
      const key = cluster.key(0, nth)
      assert.equal(await ask(client, 'SET', key, 'before'), OK)
      left.set(`GET ${key}`, 5).set(`SET ${key}`, 4)
      cluster.answer = ([name, of]) => {
        const refusals = left.get(`${name} ${of}`) ?? 0
        left.set(`${name} ${of}`, refusals - 1)
        return refusals > 0 ? CLUSTERDOWN : undefined
      }
      const [read, written] = await pipeline(client, [
        ['GET', key],
        ['SET', key, 'behind'],
      ])
      assert.ok(read === bulk('before') || read === CLUSTERDOWN, read)
      assert.equal(written, OK)
    })
    await Promise.all(played)
    await goesOn(all)
  })

  it('some keys of a slot and not others: all commands are done', async () => {
    const all = await start()
    const { cluster, client } = all
    const slot = cluster.key(0)
    cluster.answer = (args, node) =>
      node.nth === 0 && args[0] === 'INCR' && Number(args[1].slice(slot.length)) % 2 === 0
        ? cluster.ask(slot, 1)
        : undefined
    const incrs = Array.from({ length: 20 }, (_, nth) => ['INCR', `${slot}${nth}`])
    assert.deepEqual(new Set(await pipeline(client, incrs)), new Set([':1\r\n']))
    await goesOn(all)
  })

  it('many sessions at once: more than may wait', async () => {
    const all = await start({ maxHeld: 5 })
    const { cluster, respool } = all
    const clients = await connectAll(respool.port, 60)
    const key = cluster.key(0)
    const first = new Set<string>()
    cluster.answer = (args, node) => {
      if (args[0] !== 'INCR' || node.nth === 1 || first.size > 60) return undefined
      first.add(args[1])
      return cluster.moved(key, 1)
    }
    for (const [nth, client] of clients.entries()) client.send(encode(['INCR', `${key}${nth}`]))
    for (const client of clients) {
      assert.equal(String(await client.frame()), ':1\r\n')
      client.close()
    }
    await goesOn(all)
  })

  it('leave no place in the queue to sessions that go while they wait', async () => {
    const all = await start({ maxHeld: 5 })
    const { cluster, respool, client } = all
    const key = `${cluster.key(0)}n`
    cluster.answer = (args) => (args[0] === 'INCR' ? CLUSTERDOWN : undefined)
    for (let round = 0; round < 5; round++) {
      const clients = await connectAll(respool.port, 5)
      const names = clients.map((_, nth) => `${key}${round}.${nth}`)
      for (const [nth, one] of clients.entries()) one.send(encode(['INCR', names[nth]]))
      const have = () => new Set(cluster.log.map(({ args }) => args[1]))
      await until(() => names.every((name) => have().has(name)), 'all wait')
      for (const one of clients) one.close()
      await until(async () => (await respool.metric('respool_downstream_connections')) === 1, 'all have gone')
    }
    let refusals = 0
    cluster.answer = (args) => (args[0] === 'INCR' && ++refusals === 1 ? CLUSTERDOWN : undefined)
    assert.equal(await ask(client, 'INCR', key), ':1\r\n')
    await goesOn(all)
  })

  it('or refuse a part of a command: that part alone is sent again, to where it belongs', async () => {
    const all = await start()
    const { cluster, client } = all
    const [near, far] = [cluster.key(0), cluster.key(1)]
    let refusals = 0
    cluster.answer = (args, node) =>
      ['DBSIZE', 'MSET', 'GET'].includes(args[0]) && node.nth === 1 && ++refusals % 2 === 1 ? LOADING : undefined
    assert.equal(await ask(client, 'DBSIZE'), ':2\r\n')
    const replies = await pipeline(client, [
      ['MSET', near, 'a', far, 'b'],
      ['MGET', far, near],
    ])
    assert.deepEqual(replies, [OK, '*2\r\n$1\r\nb\r\n$1\r\na\r\n'])
    assert.deepEqual([cluster.count('MSET', 0), cluster.count('MSET', 1)], [1, 2])
    await goesOn(all)
  })

  it('when nothing may wait: commands in parts fail as a whole, and each reply is at its place', async () => {
    const all = await start({ maxHeld: 0 })
    const { cluster, client } = all
    const [near, far] = [cluster.key(0), cluster.key(1)]
    cluster.answer = (args) => (args[0] === 'MGET' ? LOADING : undefined)
    const commands = [
      ['MGET', near, far],
      ['ECHO', 'a'],
      ['MGET', far, near],
      ['GET', near],
    ]
    const replies = await pipeline(client, commands)
    assert.deepEqual([replies[0], replies[2], replies[3]], [LOADING, LOADING, bulk('first')])
    cluster.answer = () => undefined
    // With no connection at the moment of sending.
    for (let round = 0; round < 5; round++) {
      for (const node of cluster.nodes) node.cut()
      for (const reply of (await pipeline(client, commands)).filter((_, nth) => nth % 2 === 0))
        assert.match(reply, /^(\*2\r\n\$5\r\nfirst\r\n\$5\r\nfirst\r\n|-TRYAGAIN )/)
    }
    for (const key of [near, far])
      await until(async () => (await ask(client, 'GET', key)) === bulk('first'), 'all is well')
    await goesOn(all)
  })

  it('and answer too much: the session goes on when their connections have ended', async () => {
    const all = await start({}, { limits: { mergedBytes: '2kb' } })
    const { cluster, client } = all
    const keys = [0, 1].map((node) => cluster.key(node))
    for (const key of keys) await ask(client, 'SET', key, 'x'.repeat(1900))
    for (let round = 0; round < 3; round++) {
      assert.match(await ask(client, 'MGET', ...keys), /^-ERR .*mergedBytes/)
      for (const node of cluster.nodes) node.cut()
      for (const key of keys) await until(async () => (await ask(client, 'GET', key)).length > 1900, 'it is there')
    }
    await goesOn(all)
  })

  it('a slot between one WATCH and the next: the transaction finds that its keys have changed', async () => {
    const all = await start()
    const { cluster, client } = all
    const key = cluster.key(0)
    assert.equal(await ask(client, 'WATCH', `${key}a`), OK)
    cluster.owners[0] = 1
    cluster.answer = (_, node) => (node.nth === 0 ? cluster.moved(key, 1) : undefined)
    assert.equal(await ask(client, 'WATCH', `${key}b`), OK)
    const replies = await pipeline(client, [['MULTI'], ['SET', `${key}b`, 'v'], ['EXEC'], ['GET', `${key}b`]])
    assert.deepEqual(replies, [OK, '+QUEUED\r\n', '*-1\r\n', '$-1\r\n'])
    const [first, ...rest] = await pipeline(client, [
      ['WATCH', `${key}b`],
      ['MULTI'],
      ['SET', `${key}b`, 'v'],
      ['EXEC'],
    ])
    assert.deepEqual([first, ...rest], [OK, OK, '+QUEUED\r\n', '*1\r\n+OK\r\n'])
  })

  it('a slot after WATCH: the transaction finds that its keys have changed, however far it has come', async () => {
    for (const refused of ['GET', 'SET', 'EXEC']) {
      const all = await start()
      const { cluster, client } = all
      const key = `${cluster.key(0)}n`
      let away = false
      cluster.answer = (args, node) => {
        away ||= args[0] === refused
        return away && node.nth === 0 && !['MULTI', 'UNWATCH'].includes(args[0]) ? cluster.moved(key, 1) : undefined
      }
      const replies = await pipeline(client, [
        ['WATCH', key],
        ['GET', key],
        ['MULTI'],
        ['SET', key, 'v'],
        ['EXEC'],
        ['GET', key],
      ])
      assert.deepEqual(replies, [OK, '$-1\r\n', OK, '+QUEUED\r\n', '*-1\r\n', '$-1\r\n'], refused)
      await goesOn(all)
    }
  })

  it('a write to another node: WAIT asks that one', async () => {
    const all = await start()
    const { cluster, client } = all
    const key = cluster.key(0)
    cluster.owners[0] = 1
    cluster.answer = (args, node) => (node.nth === 0 && args[1] === key ? cluster.moved(key, 1) : undefined)
    await ask(client, 'SET', key, 'v')
    assert.equal(await ask(client, 'WAIT', '1', '0'), ':1\r\n')
  })

  it('or answer a script with its own words: it is not called again', async () => {
    const all = await start()
    const { cluster, client } = all
    const error = '-TRYAGAIN the resource is locked\r\n'
    cluster.answer = (args) => (args[0] === 'EVAL' ? error : undefined)
    assert.equal(await ask(client, 'EVAL', 'return 1', '1', cluster.key(0)), error)
    assert.equal(cluster.count('EVAL'), 1)
    await goesOn(all)
  })
})
