/** Subscriptions on a cluster: nobody can tell which of its servers carry them, nor that they move from one to another. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { slotOf } from '../../src/commands/slot.ts'
import { ERRORS } from '../../src/errors.ts'
import { type ClusterNode, type RedisCluster, startCluster } from '../helpers/cluster.ts'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis } from '../helpers/redis.ts'
import { type Respool, startRespool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, bulkText, Cleanup, connectAll, Observer } from './support.ts'

const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`
const push = (protocol: number, ...words: string[]) =>
  `${protocol === 3 ? '>' : '*'}${words.length}\r\n${words.map(bulk).join('')}`
const slot = (channel: string) => slotOf(Buffer.from(channel))

describe('subscriptions on a cluster', { timeout: 120_000 }, () => {
  const suite = new Cleanup()
  let cluster: RedisCluster
  let respool: Respool
  /** The port of a Redis without a cluster, to compare with. */
  let single: number

  before(async () => {
    cluster = suite.add(await startCluster({ replicas: 1 }))
    respool = suite.add(await startRespool({ upstream: cluster.url }))
    single = suite.add(await startRedis()).port
  })
  after(() => suite.run())

  const clients = new Cleanup()
  afterEach(() => clients.run())

  const connect = async (protocol = 3, port = respool.port) => {
    const client = clients.client(await RawClient.connect(port))
    if (protocol === 3) await ask(client, 'HELLO', 3)
    return client
  }
  const frames = async (client: RawClient, count: number) => {
    const seen: string[] = []
    while (seen.length < count) seen.push(String(await client.frame()))
    return seen
  }
  const nodes = () => [...cluster.primaries, ...cluster.replicas]
  const alive = async () => {
    const answers = await Promise.all(nodes().map((node) => node.call('PING').catch(() => null)))
    return nodes().filter((_, nth) => answers[nth] !== null)
  }
  /** Everything that anybody is subscribed to at any node. */
  const subscribed = async () => {
    const questions = [['CHANNELS'], ['NUMPAT'], ['SHARDCHANNELS']]
    const reachable = await alive()
    const answers = await Promise.all(
      questions.flatMap((question) => reachable.map((node) => node.call('PUBSUB', ...question))),
    )
    return answers.filter((answer) => answer !== '*0\r\n' && answer !== ':0\r\n')
  }
  const isCarried = async (node: ClusterNode) => {
    const observer = await Observer.connect(node.server.port)
    const clients = await observer.clients()
    observer.stop()
    return clients.some(({ flags, name }) => flags.includes('P') && name.endsWith(':subscriptions'))
  }
  const carrier = async () => {
    for (const node of await alive()) {
      if ((await node.call('PUBSUB', 'NUMSUB', 'where')).includes(':1')) return node
    }
    return undefined
  }
  /** The nodes agree: else one of them may take back a slot that has just gone to another. */
  const agreed = async () => {
    const tables = await Promise.all(cluster.primaries.map((node) => node.call('CLUSTER', 'NODES')))
    const views = tables.map((table) =>
      bulkText(table)
        .split('\n')
        .map((line) => line.split(' '))
        .map(([id, , , , , , epoch, , ...slots]) => [id, epoch, ...slots].join(' '))
        .sort()
        .join('\n'),
    )
    return new Set(views).size === 1
  }
  async function move(channel: string, target: ClusterNode): Promise<void> {
    const source = await cluster.ownerOf(slot(channel))
    await target.call('CLUSTER', 'SETSLOT', slot(channel), 'IMPORTING', source.id)
    await source.call('CLUSTER', 'SETSLOT', slot(channel), 'MIGRATING', target.id)
    // Each once: a node that is told again what it has already drops the channels.
    for (const node of new Set([target, source, ...cluster.primaries])) {
      await node.call('CLUSTER', 'SETSLOT', slot(channel), 'NODE', target.id)
    }
  }

  it('a hundred sessions hear every message once and in order, whoever publishes it wherever', async () => {
    const channels = Array.from({ length: 10 }, (_, nth) => `every:${nth}`)
    const owners = await Promise.all(channels.map((channel) => cluster.ownerOf(slot(channel))))
    assert.equal(new Set(owners).size, 3, 'the shard channels are on all nodes')
    const ears = await connectAll(respool.port, 100)
    for (const [nth, ear] of ears.entries()) {
      const protocol = 2 + (nth % 2)
      if (protocol === 3) await ask(ear, 'HELLO', 3)
      const channel = channels[nth % 10]
      assert.equal(
        await ask(ear, 'SUBSCRIBE', channel),
        `${push(protocol, 'subscribe', channel).replace('2', '3')}:1\r\n`,
      )
      assert.match(await ask(ear, 'SSUBSCRIBE', channel), /:1\r\n$/)
      assert.match(await ask(ear, 'SSUBSCRIBE', channels[(nth + 1) % 10]), /:2\r\n$/)
      assert.match(await ask(ear, 'PSUBSCRIBE', `e*${nth % 10}`), /:2\r\n$/)
    }
    const rounds = 100
    const publishers = await connectAll(respool.port, 10)
    await Promise.all(
      channels.map(async (channel, nth) => {
        // Every other channel is spoken to at a node that is not where it is heard.
        const other = await connect(2, cluster.primaries[nth % 3].server.port)
        for (let round = 0; round < rounds; round++) {
          if (nth % 2 === 0) assert.equal(await ask(publishers[nth], 'PUBLISH', channel, `c${round}`), ':20\r\n')
          else assert.match(await ask(other, 'PUBLISH', channel, `c${round}`), /^:/)
          assert.equal(await ask(publishers[nth], 'SPUBLISH', channel, `s${round}`), ':20\r\n')
        }
      }),
    )
    for (const [nth, ear] of ears.entries()) {
      const heard = await frames(ear, 4 * rounds)
      const protocol = 2 + (nth % 2)
      const [own, next] = [channels[nth % 10], channels[(nth + 1) % 10]]
      const all = (words: (text: string) => string[], letter: string) =>
        Array.from({ length: rounds }, (_, round) => push(protocol, ...words(`${letter}${round}`)))
      for (const expected of [
        all((text) => ['message', own, text], 'c'),
        all((text) => ['pmessage', `e*${nth % 10}`, own, text], 'c'),
        all((text) => ['smessage', own, text], 's'),
        all((text) => ['smessage', next, text], 's'),
      ]) {
        const start = expected[0].slice(0, -4)
        assert.deepEqual(
          heard.filter((frame) => frame.startsWith(start.slice(0, start.lastIndexOf('$')))),
          expected,
        )
      }
      assert.equal(ear.pending.length, 0)
      ear.close()
    }
    await until(async () => (await subscribed()).length === 0, 'nobody is subscribed any more')
    assert.equal(await respool.metric('respool_pubsub_gaps_total'), 0)
  })

  it('what is confirmed is what one Redis would confirm', async () => {
    for (const protocol of [2, 3]) {
      const sides = [await connect(protocol), await connect(protocol, single)]
      for (const [command, count] of [
        [['SSUBSCRIBE', 'a'], 1],
        [['SSUBSCRIBE', 'b'], 1],
        [['SSUBSCRIBE', '{a}1', 'a', '{a}2'], 3],
        [['SUBSCRIBE', 'a', 'b'], 2],
        [['PSUBSCRIBE', 'a*'], 1],
        [['PING', 'x'], 1],
        [['SUNSUBSCRIBE', 'a', 'a'], 2],
        [['SUNSUBSCRIBE', 'c'], 1],
        [['UNSUBSCRIBE'], 2],
        [['PUNSUBSCRIBE'], 1],
        [['SUNSUBSCRIBE'], 3],
        [['SUNSUBSCRIBE'], 1],
        [['PING'], 1],
      ] as const) {
        const [proxied, beside] = await Promise.all(
          sides.map(async (side) => {
            side.send(encode([...command]))
            return frames(side, count)
          }),
        )
        // Redis leaves all in an order of its own.
        const named = (seen: string[]) => seen.map((frame) => frame.replace(/:\d+\r\n$/, '')).sort()
        const counted = (seen: string[]) => seen.map((frame) => /:\d+\r\n$/.exec(frame)?.[0])
        assert.deepEqual([named(proxied), counted(proxied)], [named(beside), counted(beside)], command.join(' '))
      }
      const crossSlot = `-${ERRORS.crossSlot.text}\r\n`
      assert.equal(await ask(sides[0], 'SSUBSCRIBE', 'a', 'b'), crossSlot)
      assert.equal(await ask(sides[0], 'SSUBSCRIBE', 'x'.repeat(200_000), 'b'), crossSlot)
      assert.match(await ask(sides[0], 'SSUBSCRIBE', 'y'.repeat(200_000)), /:1\r\n$/)
    }
  })

  it('the numbers of PUBLISH, SPUBLISH and PUBSUB are those of one Redis', async () => {
    const plan = [
      [
        ['SUBSCRIBE', 'n1', 'n2'],
        ['PSUBSCRIBE', 'n*'],
        ['SSUBSCRIBE', 'n1'],
        ['SSUBSCRIBE', 'n2'],
      ],
      [
        ['SUBSCRIBE', 'n1'],
        ['PSUBSCRIBE', 'n?', 'n*'],
        ['SSUBSCRIBE', 'n1'],
        ['SSUBSCRIBE', 'n3'],
      ],
    ]
    const [asking, model] = [await connect(), await connect(3, single)]
    for (const port of [respool.port, single]) {
      for (const commands of plan) {
        const ear = await connect(3, port)
        for (const command of commands) {
          ear.send(encode(command))
          await frames(ear, command.length - 1)
        }
      }
    }
    const sorted = (text: string) => text.split('\r\n').sort()
    for (const question of [
      ['PUBLISH', 'n1', 'x'],
      ['PUBLISH', 'n22', 'x'],
      ['PUBLISH', 'elsewhere', 'x'],
      ['SPUBLISH', 'n1', 'x'],
      ['SPUBLISH', 'n2', 'x'],
      ['SPUBLISH', 'n3', 'x'],
      ['SPUBLISH', 'n4', 'x'],
      ['PUBSUB', 'CHANNELS', 'n*'],
      ['PUBSUB', 'NUMSUB', 'n1', 'n2', 'n3'],
      ['PUBSUB', 'NUMPAT'],
      ['PUBSUB', 'SHARDCHANNELS'],
      ['PUBSUB', 'SHARDCHANNELS', 'n[12]'],
      ['PUBSUB', 'SHARDNUMSUB', 'n1', 'n2', 'n3', 'n4', 'n1'],
      ['PUBSUB', 'SHARDNUMSUB'],
    ]) {
      assert.deepEqual(
        sorted(await ask(asking, ...question)),
        sorted(await ask(model, ...question)),
        question.join(' '),
      )
    }
    await ask(asking, 'WATCH', 'a key on some node')
    assert.equal(await ask(asking, 'PUBLISH', 'n1', 'x'), ':5\r\n')
    for (const [channel, count] of [
      ['n1', 2],
      ['n2', 1],
      ['n3', 1],
    ] as const)
      assert.equal(await ask(asking, 'SPUBLISH', channel, 'x'), `:${count}\r\n`)
    assert.equal(await ask(asking, 'UNWATCH'), '+OK\r\n')
  })

  it('who publishes to itself hears it too', async () => {
    const client = await connect()
    for (const channel of ['self:1', 'self:2', 'self:3']) {
      await ask(client, 'SUBSCRIBE', channel)
      await ask(client, 'SSUBSCRIBE', channel)
      client.send(Buffer.concat([encode(['PUBLISH', channel, 'x']), encode(['SPUBLISH', channel, 'y'])]))
      const seen = await frames(client, 4)
      assert.deepEqual(
        seen.filter((frame) => frame.startsWith(':')),
        [':1\r\n', ':1\r\n'],
      )
      assert.ok(seen.includes(push(3, 'message', channel, 'x')) && seen.includes(push(3, 'smessage', channel, 'y')))
    }
  })

  it('a transaction goes to the node of its keys, and leaves the subscriptions where they are', async () => {
    const [client, other] = [await connect(), await connect()]
    await ask(client, 'SUBSCRIBE', 'tx')
    await ask(client, 'SSUBSCRIBE', 'tx')
    for (const key of ['tx:1', 'tx:2', 'tx:3', 'tx:4']) {
      assert.equal(await ask(client, 'WATCH', key), '+OK\r\n')
      assert.equal(await ask(client, 'MULTI'), '+OK\r\n')
      assert.equal(await ask(client, 'INCR', key), '+QUEUED\r\n')
      assert.equal(await ask(client, 'EXEC'), '*1\r\n:1\r\n')
    }
    const refused = (code: 'refusedOnCluster' | 'refusedInTransaction', name: string) =>
      `-${ERRORS[code].text.replace('%', name)}\r\n`
    assert.equal(await ask(client, 'MULTI'), '+OK\r\n')
    assert.equal(await ask(client, 'INCR', 'tx:1'), '+QUEUED\r\n')
    assert.equal(await ask(client, 'SUBSCRIBE', 'more'), refused('refusedInTransaction', 'subscribe'))
    assert.match(await ask(client, 'EXEC'), /^-EXECABORT/)
    assert.equal(await ask(client, 'MONITOR'), refused('refusedOnCluster', 'monitor'))
    for (const command of ['PUBLISH', 'SPUBLISH']) {
      assert.equal(await ask(other, command, 'tx', 'still'), ':1\r\n')
      assert.match(String(await client.frame()), /still/)
    }
  })

  it('a slot that moves takes its shard channels along, and applications hear nothing of it', async () => {
    const channel = 'moving'
    const ears = await Promise.all([2, 3, 2, 3].map((protocol) => connect(protocol)))
    for (const ear of ears) {
      await ask(ear, 'SSUBSCRIBE', channel)
      await ask(ear, 'SSUBSCRIBE', `{${channel}}2`)
      await ask(ear, 'SUBSCRIBE', channel)
    }
    const publisher = await connect()
    let publishing = true
    let sent = 0
    const publications = (async () => {
      for (; publishing; sent++) assert.match(await ask(publisher, 'SPUBLISH', channel, String(sent)), /^:\d+\r\n$/)
    })()
    const gaps = await respool.metric('respool_pubsub_gaps_total')
    for (let moves = 1; moves <= 6; moves++) {
      await until(agreed, 'the nodes agree')
      const source = await cluster.ownerOf(slot(channel))
      const target = cluster.primaries.find((node) => node !== source)!
      await move(channel, target)
      const heard = async () =>
        (await target.call('PUBSUB', 'SHARDNUMSUB', channel, `{${channel}}2`)).split(':1').length === 3
      await until(heard, 'the channels are subscribed to at their new node')
      assert.equal(await respool.metric('respool_pubsub_gaps_total'), gaps + moves)
    }
    publishing = false
    await publications
    // Sent before by the same connection, all of it has gone out by now.
    assert.equal(await ask(publisher, 'SPUBLISH', channel, 'last'), ':4\r\n')
    assert.equal(await ask(publisher, 'SPUBLISH', `{${channel}}2`, 'last too'), ':4\r\n')
    assert.equal(await ask(publisher, 'PUBLISH', channel, 'classic'), ':4\r\n')
    for (const [nth, ear] of ears.entries()) {
      const protocol = 2 + (nth % 2)
      let newest = -1
      for (;;) {
        const frame = String(await ear.frame())
        if (frame === push(protocol, 'smessage', channel, 'last')) break
        const number = Number(/\r\n(\d+)\r\n$/.exec(frame)![1])
        assert.equal(frame, push(protocol, 'smessage', channel, String(number)))
        assert.ok(number > newest, `${number} after ${newest}`)
        newest = number
      }
      const rest = [
        push(protocol, 'smessage', `{${channel}}2`, 'last too'),
        push(protocol, 'message', channel, 'classic'),
      ]
      assert.deepEqual((await frames(ear, 2)).sort(), rest.sort())
      ear.close()
    }
    await until(
      async () => (await cluster.primaries[0].call('PUBSUB', 'SHARDCHANNELS', '*moving*')) === '*0\r\n',
      'gone',
    )
    assert.doesNotMatch(respool.output(), /"reason":"fault"/)
  })

  it('sessions come and go while their slot moves to and fro, and each hears its own afterwards', async () => {
    const channels = ['{fro}1', '{fro}2', '{fro}3']
    const ears = await Promise.all(Array.from({ length: 12 }, (_, nth) => connect(2 + (nth % 2))))
    let moving = true
    const moves = (async () => {
      for (let nth = 0; nth < 25; nth++) await move(channels[0], cluster.primaries[nth % 3])
      moving = false
    })()
    const own = await Promise.all(
      ears.map(async (ear, nth) => {
        const names = new Set<string>()
        for (let round = nth; moving; round++) {
          const channel = channels[round % 3]
          const adds = !names.has(channel)
          const answer = await ask(ear, adds ? 'SSUBSCRIBE' : 'SUNSUBSCRIBE', channel)
          if (adds) names.add(channel)
          else names.delete(channel)
          const word = adds ? 'ssubscribe' : 'sunsubscribe'
          assert.equal(answer.slice(1), `3\r\n${bulk(word)}${bulk(channel)}:${names.size}\r\n`)
        }
        return names
      }),
    )
    await moves
    const publisher = await connect()
    for (const channel of channels) {
      const count = own.filter((names) => names.has(channel)).length
      const reaches = async () => (await ask(publisher, 'SPUBLISH', channel, 'x')) === `:${count}\r\n`
      await until(reaches, `${channel} reaches ${count}`)
      assert.equal(await ask(publisher, 'SPUBLISH', channel, 'end'), `:${count}\r\n`)
    }
    for (const [nth, ear] of ears.entries()) {
      const expected = [...own[nth]].map((channel) => push(2 + (nth % 2), 'smessage', channel, 'end'))
      const ended: string[] = []
      while (ended.length < expected.length) {
        const frame = String(await ear.frame())
        // What was published before the slot had settled may have reached it or not.
        if (!frame.endsWith(bulk('x'))) ended.push(frame)
      }
      assert.deepEqual(ended.sort(), expected.sort())
      assert.equal(ear.pending.length, 0)
      ear.close()
    }
    const left = async () => (await subscribed()).filter((answer) => answer.includes('fro'))
    await until(async () => (await left()).length === 0, 'nobody is subscribed')
    assert.doesNotMatch(respool.output(), /"reason":"fault"/)
  })

  it('a slot that nobody serves can be left, and those who stay hear it when it is served again', async () => {
    const [ear, leaver, other] = [await connect(), await connect(), await connect()]
    const owner = await cluster.ownerOf(slot('orphan'))
    for (const one of [ear, leaver]) await ask(one, 'SSUBSCRIBE', 'orphan')
    await until(agreed, 'the nodes agree')
    for (const node of [...cluster.replicas, ...cluster.primaries])
      await node.call('CLUSTER', 'DELSLOTS', slot('orphan'))
    const refused = async () => (await ask(other, 'SSUBSCRIBE', 'orphan')).startsWith('-CLUSTERDOWN')
    await until(refused, 'it is known that nobody serves it')
    assert.match(await ask(leaver, 'SUNSUBSCRIBE', 'orphan'), /sunsubscribe\r\n\$6\r\norphan\r\n:0\r\n$/)
    const next = cluster.primaries.find((node) => node !== owner)!
    await next.call('CLUSTER', 'ADDSLOTS', slot('orphan'))
    const reached = async () => (await ask(other, 'SPUBLISH', 'orphan', 'back')) === ':1\r\n'
    await until(reached, 'it is heard again', 20_000)
    assert.equal(String(await ear.frame()), push(3, 'smessage', 'orphan', 'back'))
    assert.equal(ear.pending.length, 0)
  })

  it('the home server hands over its place, and its channels with it', async () => {
    const ear = await connect()
    await ask(ear, 'SUBSCRIBE', 'where')
    await ask(ear, 'PSUBSCRIBE', 'whe*')
    await ask(ear, 'SSUBSCRIBE', 'where')
    const home = (await carrier())!
    const gaps = await respool.metric('respool_pubsub_gaps_total')
    const replica = cluster.replicas[cluster.primaries.indexOf(home)]
    assert.equal(await replica.call('CLUSTER', 'FAILOVER'), '+OK\r\n')
    const writer = await connect()
    const moved = async () => {
      // Nothing else asks the old one for what only a primary does.
      for (let nth = 0; nth < 10; nth++) await ask(writer, 'SET', `key:${nth}`, 'x')
      const next = await carrier()
      return next !== undefined && next !== home
    }
    await until(moved, 'another server is the home', 20_000)
    await until(async () => !(await isCarried(home)), 'nothing is left at the old one')
    const publisher = await connect()
    await until(async () => (await ask(publisher, 'PUBLISH', 'where', 'x')) === ':2\r\n', 'it is heard')
    await ask(publisher, 'SPUBLISH', 'where', 'x')
    assert.ok((await respool.metric('respool_pubsub_gaps_total')) > gaps)
    const seen = (await frames(ear, 3)).sort()
    assert.deepEqual(
      seen,
      [
        push(3, 'message', 'where', 'x'),
        push(3, 'pmessage', 'whe*', 'where', 'x'),
        push(3, 'smessage', 'where', 'x'),
      ].sort(),
    )
    assert.equal(ear.pending.length, 0)
    ear.close()
  })

  it('the home server is killed: its subscriptions go elsewhere at once, and new ones are taken', async () => {
    const ears = await Promise.all([2, 3].map((protocol) => connect(protocol)))
    for (const ear of ears) {
      await ask(ear, 'SUBSCRIBE', 'where')
      await ask(ear, 'PSUBSCRIBE', 'wh*')
    }
    const home = (await carrier())!
    const gaps = await respool.metric('respool_pubsub_gaps_total')
    await home.server.kill()
    await until(async () => (await carrier()) !== undefined, 'another server carries them')
    assert.equal(await respool.metric('respool_pubsub_gaps_total'), gaps + 1)
    const late = await connect()
    assert.match(await ask(late, 'SUBSCRIBE', 'where'), /:1\r\n$/)
    const publisher = await connect()
    assert.equal(await ask(publisher, 'PUBLISH', 'where', 'back'), ':5\r\n')
    for (const [nth, ear] of [...ears, late].entries()) {
      const protocol = nth === 0 ? 2 : 3
      assert.equal(String(await ear.frame()), push(protocol, 'message', 'where', 'back'))
      if (ear !== late) assert.equal(String(await ear.frame()), push(protocol, 'pmessage', 'wh*', 'where', 'back'))
      assert.equal(ear.pending.length, 0)
      ear.close()
    }
    await until(async () => (await subscribed()).length === 0, 'nobody is subscribed')
  })

  it('nothing is left of them', async () => {
    const links = async () => Promise.all((await alive()).map(isCarried))
    await until(async () => !(await links()).includes(true), 'all connections for subscriptions are closed', 15_000)
    assert.equal(await respool.metric('respool_pubsub_subscriptions'), 0)
  })
})
