import { createClient, createCluster, createSentinel, RESP_TYPES, WatchError } from 'redis'
import {
  ca,
  equal,
  host,
  Inbox,
  later,
  main,
  ok,
  port,
  protocol,
  refused,
  type Scenarios,
  SERVICE,
  topology,
} from './program.ts'

// Everyday use of node-redis, told only a host and a port.

const build = () => createClient({ socket: { host, port } })
type Client = ReturnType<typeof build>

function create(options: Record<string, unknown>): Client {
  // The protocol is one of all nodes, what else is given is of each.
  const { RESP, ...each } = options
  const all = RESP === undefined ? {} : { RESP: RESP as 2 | 3 }
  switch (topology) {
    case 'cluster':
      return createCluster({ rootNodes: [{ socket: { host, port } }], defaults: each, ...all }) as unknown as Client
    case 'sentinel': {
      const nodes = { sentinelRootNodes: [{ host, port }], nodeClientOptions: each }
      return createSentinel({ name: SERVICE, ...nodes, ...all }) as unknown as Client
    }
    case 'tls':
      return createClient({ socket: { host, port, tls: true, ca: ca() }, ...options })
    default:
      return Object.keys(options).length ? createClient({ socket: { host, port }, ...options }) : build()
  }
}

async function open(options: Record<string, unknown>): Promise<Client> {
  const chosen = { ...(protocol === 'default' ? {} : { RESP: Number(protocol) as 2 | 3 }), ...options }
  const client = create(chosen)
  client.on('error', () => undefined)
  await client.connect()
  return client
}

const byName = (a: string, b: string) => (a < b ? -1 : 1)

async function collect<T>(batches: AsyncIterable<T[]>): Promise<T[]> {
  const found: T[] = []
  for await (const batch of batches) found.push(...batch)
  return found
}

/** XREAD's reply as {stream: messages}, with plain objects inside. */
function messagesOf(reply: unknown): Record<string, unknown> {
  const streams = (reply ?? []) as { name: string; messages: { id: string; message: Record<string, string> }[] }[]
  return Object.fromEntries(streams.map(({ name, messages }) => [name, messages.map(messageOf)]))
}

function messageOf(entry: { id: unknown; message: object } | null) {
  return entry && [entry.id, { ...entry.message }]
}

const scenarios: Scenarios<Client> = {
  async 'connect and ping'({ client }) {
    equal(await client.ping(), 'PONG')
    equal(await client.echo('hello'), 'hello')
  },

  async strings({ client, key }) {
    equal(await client.set(key('a'), 'one'), 'OK')
    equal(await client.get(key('a')), 'one')
    equal(await client.set(key('a'), 'two', { condition: 'NX' }), null)
    equal(await client.set(key('a'), 'two', { GET: true }), 'one')
    equal(await client.append(key('a'), '-three'), 9)
    equal(await client.getRange(key('a'), 4, -1), 'three')
    equal(await client.setRange(key('a'), 0, 'TWO'), 9)
    equal(await client.strLen(key('a')), 9)
    equal(await client.mSet({ [key('b')]: '1', [key('c')]: '2' }), 'OK')
    equal(await client.mGet([key('a'), key('b'), key('c'), key('none')]), ['TWO-three', '1', '2', null])
    equal(await client.getDel(key('b')), '1')
    equal(await client.exists([key('a'), key('b'), key('c')]), 2)
    equal(await client.type(key('a')), 'string')
    equal(await client.rename(key('a'), key('d')), 'OK')
    equal(await client.del([key('c'), key('d'), key('none')]), 2)
  },

  async counters({ client, key }) {
    equal(await client.incr(key('n')), 1)
    equal(await client.incrBy(key('n'), 41), 42)
    equal(await client.decr(key('n')), 41)
    equal(Number(await client.incrByFloat(key('f'), 10.5)), 10.5)
    equal(await client.get(key('n')), '41')
  },

  async 'binary and empty values'({ client, key }) {
    const everyByte = Buffer.concat([Buffer.from(Array.from({ length: 256 }, (_, i) => i)), Buffer.from('\r\n$-1\r\n')])
    const name = Buffer.concat([Buffer.from(key('bin')), Buffer.from([0, 255, 13, 10])])
    const binary = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
    equal(await client.set(name, everyByte), 'OK')
    equal(await binary.get(name), everyByte)
    equal(await client.set(key('empty'), ''), 'OK')
    equal(await client.get(key('empty')), '')
    equal(await client.strLen(key('empty')), 0)
  },

  async 'value of 1 MB'({ client, key }) {
    const value = Buffer.from(Array.from({ length: 1 << 20 }, (_, i) => (i * 31) % 251))
    const binary = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
    equal(await client.set(key('large'), value), 'OK')
    equal(await client.strLen(key('large')), 1 << 20)
    const back = await binary.get(key('large'))
    ok(back && value.equals(back), '1 MB came back changed')
  },

  async expiry({ client, key }) {
    equal(await client.setEx(key('a'), 100, 'v'), 'OK')
    const ttl = await client.ttl(key('a'))
    ok(ttl > 0 && ttl <= 100, 'TTL after SETEX')
    equal(await client.persist(key('a')), 1)
    equal(await client.ttl(key('a')), -1)
    equal(await client.ttl(key('none')), -2)
    equal(await client.expire(key('a'), 200), 1)
    ok((await client.pTTL(key('a'))) > 100_000, 'PTTL after EXPIRE')
    equal(await client.set(key('b'), 'v', { expiration: { type: 'PX', value: 1 } }), 'OK')
    while ((await client.get(key('b'))) !== null);
    equal(await client.exists(key('b')), 0)
  },

  async hashes({ client, key }) {
    const k = key('h')
    equal(await client.hSet(k, { a: '1', b: '2', c: '' }), 3)
    equal(await client.hGet(k, 'a'), '1')
    equal({ ...(await client.hGetAll(k)) }, { a: '1', b: '2', c: '' })
    equal(await client.hmGet(k, ['a', 'none', 'c']), ['1', null, ''])
    equal(await client.hIncrBy(k, 'a', 9), 10)
    equal(await client.hDel(k, ['b', 'none']), 1)
    equal(await client.hExists(k, 'b'), 0)
    equal(await client.hLen(k), 2)
    equal((await client.hKeys(k)).sort(byName), ['a', 'c'])
    equal((await client.hVals(k)).sort(byName), ['', '10'])
    equal({ ...(await client.hGetAll(key('none'))) }, {})
  },

  async lists({ client, key }) {
    const k = key('l')
    equal(await client.rPush(k, ['a', 'b', 'c']), 3)
    equal(await client.lPush(k, 'z'), 4)
    equal(await client.lRange(k, 0, -1), ['z', 'a', 'b', 'c'])
    equal(await client.lPop(k), 'z')
    equal(await client.rPopCount(k, 2), ['c', 'b'])
    equal(await client.lInsert(k, 'BEFORE', 'a', 'y'), 2)
    equal(await client.lIndex(k, 0), 'y')
    equal(await client.lSet(k, 0, 'x'), 'OK')
    equal(await client.lTrim(k, 0, 0), 'OK')
    equal(await client.lMove(k, key('m'), 'LEFT', 'RIGHT'), 'x')
    equal(await client.lLen(k), 0)
    equal(await client.lRange(key('m'), 0, -1), ['x'])
  },

  async sets({ client, key }) {
    const [a, b] = [key('a'), key('b')]
    equal(await client.sAdd(a, ['1', '2', '3']), 3)
    equal(await client.sAdd(b, ['2', '3', '4']), 3)
    equal([...(await client.sMembers(a))].sort(byName), ['1', '2', '3'])
    equal(await client.sIsMember(a, '1'), 1)
    equal(await client.smIsMember(a, ['1', '9']), [1, 0])
    equal([...(await client.sInter([a, b]))].sort(byName), ['2', '3'])
    equal([...(await client.sUnion([a, b]))].sort(byName), ['1', '2', '3', '4'])
    equal(await client.sDiffStore(key('d'), [a, b]), 1)
    equal(await client.sRem(a, ['1', '9']), 1)
    equal(await client.sCard(a), 2)
    equal(await client.sPop(key('d')), '1')
  },

  async 'sorted sets'({ client, key }) {
    const k = key('z')
    const members = [
      { score: 1, value: 'a' },
      { score: 2.5, value: 'b' },
      { score: 3, value: 'c' },
    ]
    equal(await client.zAdd(k, members), 3)
    equal(await client.zScore(k, 'b'), 2.5)
    equal(await client.zIncrBy(k, 0.25, 'b'), 2.75)
    equal(await client.zRange(k, 0, -1), ['a', 'b', 'c'])
    const scored = await client.zRangeWithScores(k, 0, -1)
    equal(
      scored.map(({ value, score }) => [value, score]),
      [
        ['a', 1],
        ['b', 2.75],
        ['c', 3],
      ],
    )
    equal(await client.zRangeByScore(k, '(1', '+inf'), ['b', 'c'])
    equal(await client.zRank(k, 'c'), 2)
    equal(await client.zRange(k, 0, 0, { REV: true }), ['c'])
    equal({ ...(await client.zPopMin(k)) }, { value: 'a', score: 1 })
    equal(await client.zCount(k, '-inf', '+inf'), 2)
    equal(await client.zRem(k, 'b'), 1)
    equal(await client.zCard(k), 1)
    equal(await client.zScore(k, 'none'), null)
  },

  async streams({ client, key }) {
    const k = key('s')
    equal(await client.xAdd(k, '1-1', { n: '1', m: 'x' }), '1-1')
    equal(await client.xAdd(k, '2-1', { n: '2' }), '2-1')
    ok((await client.xAdd(k, '*', { n: '3' })).includes('-'), 'XADD * gives an id')
    equal(await client.xLen(k), 3)
    const both = [
      ['1-1', { n: '1', m: 'x' }],
      ['2-1', { n: '2' }],
    ]
    equal(((await client.xRange(k, '-', '2')) ?? []).map(messageOf), both)
    equal(((await client.xRevRange(k, '2-1', '-', { COUNT: 1 })) ?? []).map(messageOf), [both[1]])
    equal(messagesOf(await client.xRead({ key: k, id: '1-1' }, { COUNT: 1 })), { [k]: [both[1]] })
    equal(await client.xDel(k, '1-1'), 1)
    equal(await client.xTrim(k, 'MAXLEN', 1), 1)
    equal((await client.xInfoStream(k)).length, 1)
  },

  async 'stream consumer groups'({ client, key }) {
    const k = key('s')
    equal(await client.xGroupCreate(k, 'g', '0', { MKSTREAM: true }), 'OK')
    await refused(client.xGroupCreate(k, 'g', '0'), 'BUSYGROUP')
    await client.xAdd(k, '1-1', { n: '1' })
    await client.xAdd(k, '2-1', { n: '2' })
    const read = async (consumer: string) =>
      messagesOf(await client.xReadGroup('g', consumer, { key: k, id: '>' }, { COUNT: 1 }))
    equal(await read('alice'), { [k]: [['1-1', { n: '1' }]] })
    equal(await read('bob'), { [k]: [['2-1', { n: '2' }]] })
    equal(await read('bob'), {})
    equal(await client.xAck(k, 'g', '1-1'), 1)
    const pending = await client.xPending(k, 'g')
    equal([pending.pending, pending.firstId], [1, '2-1'])
    const [detail] = await client.xPendingRange(k, 'g', '-', '+', 10)
    equal([detail?.id, detail?.consumer, detail?.deliveriesCounter], ['2-1', 'bob', 1])
    equal((await client.xClaim(k, 'g', 'carol', 0, '2-1')).map(messageOf), [['2-1', { n: '2' }]])
    const claimed = await client.xAutoClaim(k, 'g', 'dave', 0, '0')
    equal([claimed.nextId, claimed.messages.map((entry) => messageOf(entry))], ['0-0', [['2-1', { n: '2' }]]])
    equal((await client.xInfoGroups(k))[0]?.name, 'g')
    equal(await client.xGroupDestroy(k, 'g'), 1)
  },

  async 'blocking stream read'({ client, another, key }) {
    const writer = await another()
    const added = later(() => writer.xAdd(key('s'), '5-1', { n: '1' }))
    // From the beginning, since it may be late itself.
    const read = await client.xRead({ key: key('s'), id: '0' }, { BLOCK: 5000 })
    equal(messagesOf(read), { [key('s')]: [['5-1', { n: '1' }]] })
    equal(await added, '5-1')
    equal(await client.xRead({ key: key('s'), id: '$' }, { BLOCK: 50 }), null)
    equal(await client.xLen(key('s')), 1)
  },

  async bitmaps({ client, key }) {
    const k = key('b')
    equal(await client.setBit(k, 7, 1), 0)
    equal(await client.setBit(k, 100, 1), 0)
    equal([await client.getBit(k, 7), await client.getBit(k, 8)], [1, 0])
    equal(await client.bitCount(k), 2)
    equal(await client.bitPos(k, 1), 7)
    equal(await client.bitOp('NOT', key('not'), k), 13)
    equal(await client.bitCount(key('not')), 13 * 8 - 2)
    const fields = await client.bitField(key('f'), [
      { operation: 'SET', encoding: 'u8', offset: 0, value: 200 },
      { operation: 'INCRBY', encoding: 'u8', offset: 0, increment: 100 },
    ])
    equal(fields, [0, 44])
  },

  async geo({ client, key }) {
    const k = key('g')
    const palermo = { longitude: 13.361389, latitude: 38.115556, member: 'Palermo' }
    const catania = { longitude: 15.087269, latitude: 37.502669, member: 'Catania' }
    equal(await client.geoAdd(k, [palermo, catania]), 2)
    ok(Math.abs((await client.geoDist(k, 'Palermo', 'Catania', 'km'))! - 166.2742) < 0.001, 'GEODIST')
    equal(await client.geoHash(k, 'Palermo'), ['sqc8b49rny0'])
    const [position] = await client.geoPos(k, 'Catania')
    ok(Math.abs(Number(position?.longitude) - catania.longitude) < 1e-5, 'GEOPOS')
    const from = { longitude: 15, latitude: 37 }
    const near = await client.geoSearchWith(k, from, { radius: 100, unit: 'km' }, ['WITHDIST'])
    equal(
      near.map(({ member, distance }) => [member, Math.round(Number(distance))]),
      [['Catania', 56]],
    )
    equal(await client.geoPos(k, 'Nowhere'), [null])
  },

  async 'scan loops'({ client, key }) {
    const numbers = Array.from({ length: 600 }, (_, i) => i)
    await Promise.all(
      numbers.map(async (i) => {
        await client.set(key(`k${i}`), `${i}`)
        await client.hSet(key('hash'), `f${i}`, `${i}`)
        await client.sAdd(key('set'), `m${i}`)
        await client.zAdd(key('zset'), { score: i, value: `z${i}` })
      }),
    )
    const keys = await collect(client.scanIterator({ MATCH: key('k*'), COUNT: 50 }))
    equal([...new Set(keys)].sort(byName), numbers.map((i) => key(`k${i}`)).sort(byName))
    const fields = await collect(client.hScanIterator(key('hash'), { COUNT: 50 }))
    equal(
      Object.fromEntries(fields.map(({ field, value }) => [field, value])),
      Object.fromEntries(numbers.map((i) => [`f${i}`, `${i}`])),
    )
    const members = await collect(client.sScanIterator(key('set'), { COUNT: 50 }))
    equal([...new Set(members)].sort(byName), numbers.map((i) => `m${i}`).sort(byName))
    const scored = await collect(client.zScanIterator(key('zset'), { COUNT: 50 }))
    equal(
      Object.fromEntries(scored.map(({ value, score }) => [value, score])),
      Object.fromEntries(numbers.map((i) => [`z${i}`, i])),
    )
    const { cursor, keys: some } = await client.scan('0', { MATCH: key('k*'), COUNT: 10 })
    ok(/^\d+$/.test(cursor) && Array.isArray(some), 'SCAN gives cursor and list')
  },

  async scripts({ client, key, unique }) {
    const echoed = await client.eval('return {KEYS[1], ARGV[1], 42, false}', { keys: [key('a')], arguments: ['x'] })
    equal(echoed, [key('a'), 'x', 42, null])
    const lua = `-- ${unique}\nreturn redis.call('INCRBY', KEYS[1], ARGV[1])`
    const unknown = client.evalSha('f'.repeat(40), { keys: [key('n')], arguments: ['1'] })
    await refused(unknown, 'NOSCRIPT No matching script')
    const sha = await client.scriptLoad(lua)
    equal(await client.evalSha(sha, { keys: [key('n')], arguments: ['7'] }), 7)
    equal(await client.eval(lua, { keys: [key('n')], arguments: ['1'] }), 8)
    equal(await client.scriptExists([sha, '0'.repeat(40)]), [1, 0])
    await refused(client.eval("return redis.error_reply('my own words')"), 'my own words')
  },

  async 'pipeline of 2000 commands'({ client, key }) {
    const pipe = client.multi()
    for (let i = 0; i < 1000; i++) pipe.set(key(`p${i}`), `value ${i}`).get(key(`p${i}`))
    const expected = Array.from({ length: 1000 }, (_, i) => ['OK', `value ${i}`]).flat()
    equal(await pipe.execAsPipeline(), expected)
    // Commands of one turn of the event loop form a pipeline too.
    const gets = Array.from({ length: 1000 }, (_, i) => client.get(key(`p${i}`)))
    equal(
      await Promise.all(gets),
      Array.from({ length: 1000 }, (_, i) => `value ${i}`),
    )
  },

  async 'error inside a pipeline'({ client, key }) {
    const [set, incr, get, unknown, after] = await Promise.allSettled([
      client.set(key('a'), 'text'),
      client.incr(key('a')),
      client.get(key('a')),
      client.sendCommand(['NOSUCHCOMMAND', 'x']),
      client.set(key('b'), 'after'),
    ])
    equal(
      [set, get, after],
      ['OK', 'text', 'OK'].map((value) => ({ status: 'fulfilled', value })),
    )
    equal(reasonOf(incr), 'ERR value is not an integer or out of range')
    ok(reasonOf(unknown).startsWith("ERR unknown command 'NOSUCHCOMMAND'"), reasonOf(unknown))
    equal(await client.get(key('b')), 'after')
  },

  async transaction({ client, key }) {
    const [a, h] = [key('a'), key('h')]
    const block = client.multi().set(a, '1').incr(a).hSet(h, 'f', 'v').hGet(h, 'f').get(key('none'))
    equal(await block.exec(), ['OK', 2, 1, 'v', null])
    const failing = client.multi().set(a, 'text').incr(a).set(key('b'), 'done')
    await refused(failing.exec(), '1 commands failed')
    equal([await client.get(a), await client.get(key('b'))], ['text', 'done'])
  },

  async 'transaction refused'({ client, key }) {
    const block = client.multi().set(key('a'), '1').addCommand(['GET'])
    await refused(block.exec(), 'wrong number of arguments')
    equal(await client.get(key('a')), null)
  },

  async 'watch conflict'({ client, another, key }) {
    const other = await another()
    await client.set(key('w'), '1')
    equal(await client.watch(key('w')), 'OK')
    equal(await client.get(key('w')), '1')
    equal(await other.set(key('w'), '2'), 'OK')
    await refused(client.multi().set(key('w'), '3').exec(), '', WatchError)
    equal(await client.get(key('w')), '2')
  },

  async 'watch success'({ client, key }) {
    await client.set(key('w'), '1')
    equal(await client.watch(key('w')), 'OK')
    const value = Number(await client.get(key('w')))
    const block = client
      .multi()
      .set(key('w'), String(value + 1))
      .get(key('w'))
    equal(await block.exec(), ['OK', '2'])
    equal(await client.watch(key('w')), 'OK')
    equal(await client.unwatch(), 'OK')
  },

  async 'blocking pop woken by a push'({ client, another, key }) {
    const writer = await another()
    const pushed = later(() => writer.rPush(key('q'), 'job'))
    equal({ ...(await client.blPop([key('other'), key('q')], 5)) }, { key: key('q'), element: 'job' })
    equal(await pushed, 1)
    const scored = later(() => writer.zAdd(key('z'), { score: 1, value: 'm' }))
    equal({ ...(await client.bzPopMin(key('z'), 5)) }, { key: key('z'), value: 'm', score: 1 })
    equal(await scored, 1)
    equal(await client.lLen(key('q')), 0)
  },

  async 'blocking pop timing out'({ client, key }) {
    equal(await client.blPop(key('q'), 0.1), null)
    equal(await client.blMove(key('q'), key('p'), 'LEFT', 'RIGHT', 0.1), null)
    equal(await client.rPush(key('q'), 'late'), 1)
    equal(await client.lRange(key('q'), 0, -1), ['late'])
  },

  async 'pub/sub channels'({ client, another, key }) {
    const [one, two] = [key('one'), key('two')]
    const subscriber = await another()
    const inbox = new Inbox<[string, string]>()
    const listener = (text: string, channel: string) => inbox.put([channel, text])
    await subscriber.subscribe([one, two], listener)
    equal(await client.publish(one, 'hello'), 1)
    equal(await inbox.take(), [one, 'hello'])
    for (let i = 0; i < 100; i++) void client.publish(two, String(i))
    for (let i = 0; i < 100; i++) equal(await inbox.take(), [two, String(i)])
    equal(Object.entries(await client.pubSubNumSub([one])), [[one, 1]])
    await subscriber.unsubscribe(one, listener)
    equal(await client.publish(one, 'nobody'), 0)
    await subscriber.unsubscribe(two)
    // In RESP2 the library keeps giving Buffers after the last unsubscribe.
    equal(String(await subscriber.set(key('after'), 'subscribing')), 'OK')
    equal(inbox.size, 0)
  },

  async 'pub/sub patterns'({ client, another, key }) {
    const subscriber = await another()
    const inbox = new Inbox<[string, string]>()
    await subscriber.pSubscribe(key('news.*'), (text, channel) => inbox.put([channel, text]))
    equal(await client.publish(key('news.art'), 'x'), 1)
    equal(await inbox.take(), [key('news.art'), 'x'])
    await subscriber.pUnsubscribe(key('news.*'))
    equal(await client.publish(key('news.art'), 'nobody'), 0)
  },

  async 'sharded pub/sub'({ client, another, unique }) {
    const names = Array.from({ length: 6 }, (_, i) => `${unique}:${i}`)
    const subscriber = await another()
    const inbox = new Inbox<[string, string]>()
    // All of them hash to different slots, so they are asked for one by one.
    for (const name of names) await subscriber.sSubscribe(name, (text, channel) => inbox.put([channel, text]))
    for (let i = 0; i < 10; i++) for (const name of names) equal(await client.sPublish(name, String(i)), 1)
    const texts = Object.fromEntries(names.map((name) => [name, [] as string[]]))
    for (let i = 0; i < 10 * names.length; i++) {
      const [channel, text] = await inbox.take()
      texts[channel].push(text)
    }
    for (const name of names) equal(texts[name].join(), '0,1,2,3,4,5,6,7,8,9')
    for (const name of names) {
      await subscriber.sUnsubscribe(name)
      equal(await client.sPublish(name, 'nobody'), 0)
    }
    equal(inbox.size, 0)
  },

  async databases({ client, another, key }) {
    const third = await another({ database: 3 })
    equal(await client.set(key('same'), 'zero'), 'OK')
    equal(await third.get(key('same')), null)
    equal(await third.set(key('same'), 'three'), 'OK')
    for (let i = 0; i < 20; i++) {
      equal(await Promise.all([client.get(key('same')), third.get(key('same'))]), ['zero', 'three'])
    }
    equal(await third.del(key('same')), 1)
    equal(await client.get(key('same')), 'zero')
    await client.select(3)
    equal(await client.get(key('same')), null)
    await client.select(0)
    equal(await client.get(key('same')), 'zero')
  },

  async 'wrong type error'({ client, key }) {
    await client.set(key('s'), 'text')
    const text = 'WRONGTYPE Operation against a key holding the wrong kind of value'
    await refused(client.lPush(key('s'), 'x'), text)
    await refused(client.sendCommand(['GET']), "ERR wrong number of arguments for 'get' command")
    equal(await client.get(key('s')), 'text')
  },

  async 'missing keys'({ client, key }) {
    const k = key('none')
    const replies = [client.get(k), client.hGet(k, 'f'), client.lPop(k), client.sPop(k), client.zScore(k, 'm')]
    equal(await Promise.all<unknown>(replies), [null, null, null, null, null])
    equal(await client.lRange(k, 0, -1), [])
    equal([await client.exists(k), await client.del(k), await client.type(k)], [0, 0, 'none'])
  },

  async 'server info'({ client }) {
    const info = await client.info()
    ok(/^role:master\r$/m.test(info) && /^loading:0\r$/m.test(info), 'INFO names role and loading')
    ok(/^redis_version:\d+\./m.test(info), 'INFO names a version')
    const memory = await client.info('memory')
    ok(memory.includes('used_memory:') && !memory.includes('run_id:'), 'INFO of one section')
    equal({ ...(await client.configGet('databases')) }, { databases: '16' })
    ok(Math.abs(Number((await client.time())[0]) - Date.now() / 1000) < 60, 'TIME')
    ok((await client.dbSize()) >= 0, 'DBSIZE')
    ok((await client.commandCount()) > 100, 'COMMAND COUNT')
  },

  async 'client names'({ client, another, unique }) {
    const one = await another({ name: `one-${unique}` })
    equal(await one.clientGetName(), `one-${unique}`)
    equal(await client.clientGetName(), null)
    equal(await client.clientSetName('two'), 'OK')
    equal(await client.clientGetName(), 'two')
    equal(await one.clientGetName(), `one-${unique}`)
  },

  async 'client list and id'({ client, another, unique }) {
    const me = await another({ name: `me-${unique}` })
    const number = await me.clientId()
    equal(await me.clientId(), number)
    const mine = (await me.clientList()).filter(({ name }) => name === `me-${unique}`)
    equal(
      mine.map(({ id }) => id),
      [number],
    )
    equal((await me.clientInfo()).name, `me-${unique}`)
    ok((await client.clientId()) !== number, 'ids differ')
  },

  async 'many connections at once'({ another, key }) {
    const work = async (number: number) => {
      const client = await another()
      for (let i = 0; i < 25; i++) {
        await client.set(key(String(number)), `${number}:${i}`)
        equal(await client.get(key(String(number))), `${number}:${i}`)
      }
    }
    await Promise.all(Array.from({ length: 16 }, (_, number) => work(number)))
  },

  async 'quit and close'({ client, another, key }) {
    const other = await another()
    const pending = other.set(key('last'), 'word')
    await other.close()
    equal(await pending, 'OK')
    await refused(other.ping(), 'The client is closed')
    const leaving = await another()
    equal(await leaving.sendCommand(['QUIT']), 'OK')
    equal(await client.get(key('last')), 'word')
  },
}

function reasonOf(settled: PromiseSettledResult<unknown>): string {
  return settled.status === 'rejected' && settled.reason instanceof Error ? settled.reason.message : ''
}

await main(scenarios, open, (client) => {
  if (client.isOpen) client.destroy()
})
