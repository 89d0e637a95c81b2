import type * as library6 from 'ioredis'
import type { Redis } from 'ioredis'
import {
  ca,
  equal,
  host,
  Inbox,
  later,
  library,
  main,
  ok,
  port,
  protocol,
  refused,
  type Scenarios,
  SERVICE,
  topology,
} from './program.ts'

// Everyday use of ioredis, told only a host and a port; LIBRARY is `ioredis` (6) or `ioredis5`.
const { Redis: Constructor, Cluster } = (await import(library || 'ioredis')) as Pick<
  typeof library6,
  'Redis' | 'Cluster'
>

function create(options: Record<string, unknown>): Redis {
  switch (topology) {
    case 'cluster':
      return new Cluster([{ host, port }], { redisOptions: options, shardedSubscribers: true }) as unknown as Redis
    case 'sentinel':
      return new Constructor({ sentinels: [{ host, port }], name: SERVICE, ...options })
    case 'tls':
      return new Constructor({ host, port, tls: { ca: ca() }, ...options })
    default:
      return Object.keys(options).length ? new Constructor(port, host, options) : new Constructor(port, host)
  }
}

async function open(options: Record<string, unknown>): Promise<Redis> {
  const chosen = { ...(protocol === 'default' ? {} : { protocol: Number(protocol) }), ...options }
  const client = create(chosen)
  await new Promise<void>((resolve, reject) => {
    client.once('ready', resolve)
    client.once('error', reject)
  })
  client.on('error', () => undefined)
  return client
}

const byName = (a: string, b: string) => (a < b ? -1 : 1)

async function collect(stream: AsyncIterable<string[]>): Promise<string[]> {
  const found: string[] = []
  for await (const batch of stream) found.push(...batch)
  return found
}

const pairsOf = (flat: string[]) => Object.fromEntries(flat.flatMap((name, i) => (i % 2 ? [] : [[name, flat[i + 1]]])))

const scenarios: Scenarios<Redis> = {
  async 'connect and ping'({ client }) {
    equal(await client.ping(), 'PONG')
    equal(await client.echo('hello'), 'hello')
  },

  async strings({ client, key }) {
    equal(await client.set(key('a'), 'one'), 'OK')
    equal(await client.get(key('a')), 'one')
    equal(await client.set(key('a'), 'two', 'NX'), null)
    equal(await client.set(key('a'), 'two', 'GET'), 'one')
    equal(await client.append(key('a'), '-three'), 9)
    equal(await client.getrange(key('a'), 4, -1), 'three')
    equal(await client.setrange(key('a'), 0, 'TWO'), 9)
    equal(await client.strlen(key('a')), 9)
    equal(await client.mset(key('b'), '1', key('c'), '2'), 'OK')
    equal(await client.mget(key('a'), key('b'), key('c'), key('none')), ['TWO-three', '1', '2', null])
    equal(await client.getdel(key('b')), '1')
    equal(await client.exists(key('a'), key('b'), key('c')), 2)
    equal(await client.type(key('a')), 'string')
    equal(await client.rename(key('a'), key('d')), 'OK')
    equal(await client.del(key('c'), key('d'), key('none')), 2)
  },

  async counters({ client, key }) {
    equal(await client.incr(key('n')), 1)
    equal(await client.incrby(key('n'), 41), 42)
    equal(await client.decr(key('n')), 41)
    equal(Number(await client.incrbyfloat(key('f'), 10.5)), 10.5)
    equal(await client.get(key('n')), '41')
  },

  async 'binary and empty values'({ client, key }) {
    const everyByte = Buffer.concat([Buffer.from(Array.from({ length: 256 }, (_, i) => i)), Buffer.from('\r\n$-1\r\n')])
    const name = Buffer.concat([Buffer.from(key('bin')), Buffer.from([0, 255, 13, 10])])
    equal(await client.set(name, everyByte), 'OK')
    equal(await client.getBuffer(name), everyByte)
    equal(await client.set(key('empty'), ''), 'OK')
    equal(await client.get(key('empty')), '')
    equal(await client.strlen(key('empty')), 0)
  },

  async 'value of 1 MB'({ client, key }) {
    const value = Buffer.from(Array.from({ length: 1 << 20 }, (_, i) => (i * 31) % 251))
    equal(await client.set(key('large'), value), 'OK')
    equal(await client.strlen(key('large')), 1 << 20)
    ok(value.equals((await client.getBuffer(key('large')))!), '1 MB came back changed')
  },

  async expiry({ client, key }) {
    equal(await client.setex(key('a'), 100, 'v'), 'OK')
    const ttl = await client.ttl(key('a'))
    ok(ttl > 0 && ttl <= 100, 'TTL after SETEX')
    equal(await client.persist(key('a')), 1)
    equal(await client.ttl(key('a')), -1)
    equal(await client.ttl(key('none')), -2)
    equal(await client.expire(key('a'), 200), 1)
    ok((await client.pttl(key('a'))) > 100_000, 'PTTL after EXPIRE')
    equal(await client.set(key('b'), 'v', 'PX', 1), 'OK')
    while ((await client.get(key('b'))) !== null);
    equal(await client.exists(key('b')), 0)
  },

  async hashes({ client, key }) {
    const k = key('h')
    equal(await client.hset(k, { a: '1', b: '2', c: '' }), 3)
    equal(await client.hget(k, 'a'), '1')
    equal({ ...(await client.hgetall(k)) }, { a: '1', b: '2', c: '' })
    equal(await client.hmget(k, 'a', 'none', 'c'), ['1', null, ''])
    equal(await client.hincrby(k, 'a', 9), 10)
    equal(await client.hdel(k, 'b', 'none'), 1)
    equal(await client.hexists(k, 'b'), 0)
    equal(await client.hlen(k), 2)
    equal((await client.hkeys(k)).sort(byName), ['a', 'c'])
    equal((await client.hvals(k)).sort(byName), ['', '10'])
    equal({ ...(await client.hgetall(key('none'))) }, {})
  },

  async lists({ client, key }) {
    const k = key('l')
    equal(await client.rpush(k, 'a', 'b', 'c'), 3)
    equal(await client.lpush(k, 'z'), 4)
    equal(await client.lrange(k, 0, -1), ['z', 'a', 'b', 'c'])
    equal(await client.lpop(k), 'z')
    equal(await client.rpop(k, 2), ['c', 'b'])
    equal(await client.linsert(k, 'BEFORE', 'a', 'y'), 2)
    equal(await client.lindex(k, 0), 'y')
    equal(await client.lset(k, 0, 'x'), 'OK')
    equal(await client.ltrim(k, 0, 0), 'OK')
    equal(await client.lmove(k, key('m'), 'LEFT', 'RIGHT'), 'x')
    equal(await client.llen(k), 0)
    equal(await client.lrange(key('m'), 0, -1), ['x'])
  },

  async sets({ client, key }) {
    const [a, b] = [key('a'), key('b')]
    equal(await client.sadd(a, '1', '2', '3'), 3)
    equal(await client.sadd(b, '2', '3', '4'), 3)
    equal((await client.smembers(a)).sort(byName), ['1', '2', '3'])
    equal(await client.sismember(a, '1'), 1)
    equal(await client.smismember(a, '1', '9'), [1, 0])
    equal((await client.sinter(a, b)).sort(byName), ['2', '3'])
    equal((await client.sunion(a, b)).sort(byName), ['1', '2', '3', '4'])
    equal(await client.sdiffstore(key('d'), a, b), 1)
    equal(await client.srem(a, '1', '9'), 1)
    equal(await client.scard(a), 2)
    equal(await client.spop(key('d')), '1')
  },

  async 'sorted sets'({ client, key }) {
    const k = key('z')
    equal(await client.zadd(k, 1, 'a', 2.5, 'b', 3, 'c'), 3)
    equal(Number(await client.zscore(k, 'b')), 2.5)
    equal(Number(await client.zincrby(k, 0.25, 'b')), 2.75)
    equal(await client.zrange(k, '0', '-1'), ['a', 'b', 'c'])
    equal((await client.zrange(k, '0', '-1', 'WITHSCORES')).map(String), ['a', '1', 'b', '2.75', 'c', '3'])
    equal(await client.zrangebyscore(k, '(1', '+inf'), ['b', 'c'])
    equal(await client.zrank(k, 'c'), 2)
    equal(await client.zrevrange(k, 0, 0), ['c'])
    equal((await client.zpopmin(k)).map(String), ['a', '1'])
    equal(await client.zcount(k, '-inf', '+inf'), 2)
    equal(await client.zrem(k, 'b'), 1)
    equal(await client.zcard(k), 1)
    equal(await client.zscore(k, 'none'), null)
  },

  async streams({ client, key }) {
    const k = key('s')
    equal(await client.xadd(k, '1-1', 'n', '1', 'm', 'x'), '1-1')
    equal(await client.xadd(k, '2-1', 'n', '2'), '2-1')
    ok((await client.xadd(k, '*', 'n', '3'))?.includes('-'), 'XADD * gives an id')
    equal(await client.xlen(k), 3)
    const both = [
      ['1-1', ['n', '1', 'm', 'x']],
      ['2-1', ['n', '2']],
    ]
    equal(await client.xrange(k, '-', '2'), both)
    equal(await client.xrevrange(k, '2-1', '-', 'COUNT', 1), [both[1]])
    equal(entriesOf(await client.xread('COUNT', 1, 'STREAMS', k, '1-1')), { [k]: [both[1]] })
    equal(await client.xdel(k, '1-1'), 1)
    equal(await client.xtrim(k, 'MAXLEN', 1), 1)
    equal(pairsOf((await client.xinfo('STREAM', k)) as string[])['length'], 1)
  },

  async 'stream consumer groups'({ client, key }) {
    const k = key('s')
    equal(await client.xgroup('CREATE', k, 'g', '0', 'MKSTREAM'), 'OK')
    await refused(client.xgroup('CREATE', k, 'g', '0'), 'BUSYGROUP')
    await client.xadd(k, '1-1', 'n', '1')
    await client.xadd(k, '2-1', 'n', '2')
    const read = async (consumer: string) =>
      entriesOf(await client.xreadgroup('GROUP', 'g', consumer, 'COUNT', 1, 'STREAMS', k, '>'))
    equal(await read('alice'), { [k]: [['1-1', ['n', '1']]] })
    equal(await read('bob'), { [k]: [['2-1', ['n', '2']]] })
    equal(await read('bob'), {})
    equal(await client.xack(k, 'g', '1-1'), 1)
    equal(await client.xpending(k, 'g'), [1, '2-1', '2-1', [['bob', '1']]])
    const [detail] = (await client.xpending(k, 'g', '-', '+', 10)) as [string, string, number, number][]
    equal([detail?.[0], detail?.[1], detail?.[3]], ['2-1', 'bob', 1])
    equal(await client.xclaim(k, 'g', 'carol', 0, '2-1'), [['2-1', ['n', '2']]])
    equal(await client.xautoclaim(k, 'g', 'dave', 0, '0'), ['0-0', [['2-1', ['n', '2']]], []])
    equal(pairsOf(((await client.xinfo('GROUPS', k)) as string[][])[0])['name'], 'g')
    equal(await client.xgroup('DESTROY', k, 'g'), 1)
  },

  async 'blocking stream read'({ client, another, key }) {
    const writer = await another()
    const added = later(() => writer.xadd(key('s'), '5-1', 'n', '1'))
    // From the beginning, since it may be late itself.
    const read = await client.xread('BLOCK', 5000, 'STREAMS', key('s'), '0')
    equal(entriesOf(read), { [key('s')]: [['5-1', ['n', '1']]] })
    equal(await added, '5-1')
    equal(await client.xread('BLOCK', 50, 'STREAMS', key('s'), '$'), null)
    equal(await client.xlen(key('s')), 1)
  },

  async bitmaps({ client, key }) {
    const k = key('b')
    equal(await client.setbit(k, 7, 1), 0)
    equal(await client.setbit(k, 100, 1), 0)
    equal([await client.getbit(k, 7), await client.getbit(k, 8)], [1, 0])
    equal(await client.bitcount(k), 2)
    equal(await client.bitpos(k, 1), 7)
    equal(await client.bitop('NOT', key('not'), k), 13)
    equal(await client.bitcount(key('not')), 13 * 8 - 2)
    equal(await client.call('BITFIELD', key('f'), 'SET', 'u8', '0', '200', 'INCRBY', 'u8', '0', '100'), [0, 44])
  },

  async geo({ client, key }) {
    const k = key('g')
    equal(await client.geoadd(k, 13.361389, 38.115556, 'Palermo', 15.087269, 37.502669, 'Catania'), 2)
    const distance = Number(await client.geodist(k, 'Palermo', 'Catania', 'KM'))
    ok(Math.abs(distance - 166.2742) < 0.001, 'GEODIST')
    equal(await client.geohash(k, 'Palermo'), ['sqc8b49rny0'])
    const [position] = await client.geopos(k, 'Catania')
    ok(Math.abs(Number(position?.[0]) - 15.087269) < 1e-5, 'GEOPOS')
    const near = await client.geosearch(k, 'FROMLONLAT', 15, 37, 'BYRADIUS', 100, 'KM', 'WITHDIST')
    equal(
      (near as [string, string][]).map(([name, away]) => [name, Math.round(Number(away))]),
      [['Catania', 56]],
    )
    equal(await client.geopos(k, 'Nowhere'), [null])
  },

  async 'scan loops'({ client, key }) {
    const numbers = Array.from({ length: 600 }, (_, i) => i)
    const pipe = client.pipeline()
    for (const i of numbers) {
      pipe.set(key(`k${i}`), i).hset(key('hash'), `f${i}`, i)
      pipe.sadd(key('set'), `m${i}`).zadd(key('zset'), i, `z${i}`)
    }
    await pipe.exec()
    const keys = await collect(client.scanStream({ match: key('k*'), count: 50 }) as AsyncIterable<string[]>)
    equal([...new Set(keys)].sort(byName), numbers.map((i) => key(`k${i}`)).sort(byName))
    const fields = await collect(client.hscanStream(key('hash'), { count: 50 }) as AsyncIterable<string[]>)
    equal(pairsOf(fields), Object.fromEntries(numbers.map((i) => [`f${i}`, `${i}`])))
    const members = await collect(client.sscanStream(key('set'), { count: 50 }) as AsyncIterable<string[]>)
    equal([...new Set(members)].sort(byName), numbers.map((i) => `m${i}`).sort(byName))
    const scored = await collect(client.zscanStream(key('zset'), { count: 50 }) as AsyncIterable<string[]>)
    equal(pairsOf(scored.map(String)), Object.fromEntries(numbers.map((i) => [`z${i}`, `${i}`])))
    const [cursor, some] = await client.scan('0', 'MATCH', key('k*'), 'COUNT', 10)
    ok(/^\d+$/.test(cursor) && Array.isArray(some), 'SCAN gives cursor and list')
  },

  async scripts({ client, key, unique }) {
    equal(await client.eval('return {KEYS[1], ARGV[1], 42, false}', 1, key('a'), 'x'), [key('a'), 'x', 42, null])
    const lua = `-- ${unique}\nreturn redis.call('INCRBY', KEYS[1], ARGV[1])`
    await refused(client.evalsha('f'.repeat(40), 1, key('n'), 1), 'NOSCRIPT No matching script')
    const sha = (await client.script('LOAD', lua)) as string
    equal(await client.evalsha(sha, 1, key('n'), 2), 2)
    client.defineCommand('increaseBy', { numberOfKeys: 1, lua: `${lua} + 0` })
    const scripted = client as Redis & { increaseBy(key: string, by: number): Promise<number> }
    equal(await scripted.increaseBy(key('n'), 5), 7)
    equal(await scripted.increaseBy(key('n'), 1), 8)
    equal(await client.script('EXISTS', sha, '0'.repeat(40)), [1, 0])
    await refused(client.eval("return redis.error_reply('my own words')", 0), 'my own words')
  },

  async 'pipeline of 2000 commands'({ client, key }) {
    const pipe = client.pipeline()
    for (let i = 0; i < 1000; i++) pipe.set(key(`p${i}`), `value ${i}`).get(key(`p${i}`))
    const replies = await pipe.exec()
    const expected = Array.from({ length: 1000 }, (_, i) => [
      [null, 'OK'],
      [null, `value ${i}`],
    ])
    equal(replies, expected.flat())
  },

  async 'error inside a pipeline'({ client, key }) {
    const pipe = client.pipeline().set(key('a'), 'text').incr(key('a')).get(key('a'))
    const replies = (await pipe.call('NOSUCHCOMMAND', 'x').set(key('b'), 'after').exec())!
    equal(
      replies.map(([, value]) => value),
      ['OK', undefined, 'text', undefined, 'OK'],
    )
    equal(replies[1]?.[0]?.message, 'ERR value is not an integer or out of range')
    ok(replies[3]?.[0]?.message.startsWith("ERR unknown command 'NOSUCHCOMMAND'"), String(replies[3]?.[0]))
    equal(await client.get(key('b')), 'after')
  },

  async transaction({ client, key }) {
    const [a, h] = [key('a'), key('h')]
    const block = client.multi().set(a, '1').incr(a).hset(h, 'f', 'v').hget(h, 'f').get(key('none'))
    equal(
      (await block.exec())?.map(([error, value]) => error ?? value),
      ['OK', 2, 1, 'v', null],
    )
    const replies = (await client.multi().set(a, 'text').incr(a).set(key('b'), 'done').exec())!
    equal(
      [replies[0], replies[2]],
      [
        [null, 'OK'],
        [null, 'OK'],
      ],
    )
    equal(replies[1]?.[0]?.message, 'ERR value is not an integer or out of range')
    // Command by command, the block is open while other commands are awaited.
    equal(await client.multi({ pipeline: false }), 'OK')
    equal(await client.set(a, '5'), 'QUEUED')
    equal(await client.incr(a), 'QUEUED')
    equal(await client.exec(), [
      [null, 'OK'],
      [null, 6],
    ])
    equal(await client.multi({ pipeline: false }), 'OK')
    equal(await client.set(a, '9'), 'QUEUED')
    equal(await client.discard(), 'OK')
    equal(await client.get(a), '6')
  },

  async 'transaction refused'({ client, key }) {
    await refused(client.multi().set(key('a'), '1').call('GET').exec(), 'EXECABORT')
    equal(await client.get(key('a')), null)
  },

  async 'watch conflict'({ client, another, key }) {
    const other = await another()
    await client.set(key('w'), '1')
    equal(await client.watch(key('w')), 'OK')
    equal(await client.get(key('w')), '1')
    equal(await other.set(key('w'), '2'), 'OK')
    equal(await client.multi().set(key('w'), '3').exec(), null)
    equal(await client.get(key('w')), '2')
  },

  async 'watch success'({ client, key }) {
    await client.set(key('w'), '1')
    equal(await client.watch(key('w')), 'OK')
    const value = Number(await client.get(key('w')))
    equal(
      await client
        .multi()
        .set(key('w'), value + 1)
        .get(key('w'))
        .exec(),
      [
        [null, 'OK'],
        [null, '2'],
      ],
    )
    equal(await client.watch(key('w')), 'OK')
    equal(await client.unwatch(), 'OK')
  },

  async 'blocking pop woken by a push'({ client, another, key }) {
    const writer = await another()
    const pushed = later(() => writer.rpush(key('q'), 'job'))
    equal(await client.blpop(key('other'), key('q'), 5), [key('q'), 'job'])
    equal(await pushed, 1)
    const scored = later(() => writer.zadd(key('z'), 1, 'm'))
    equal((await client.bzpopmin(key('z'), 5))?.map(String), [key('z'), 'm', '1'])
    equal(await scored, 1)
    equal(await client.llen(key('q')), 0)
  },

  async 'blocking pop timing out'({ client, key }) {
    equal(await client.blpop(key('q'), 0.1), null)
    equal(await client.blmove(key('q'), key('p'), 'LEFT', 'RIGHT', 0.1), null)
    equal(await client.rpush(key('q'), 'late'), 1)
    equal(await client.lrange(key('q'), 0, -1), ['late'])
  },

  async 'pub/sub channels'({ client, another, key }) {
    const [one, two] = [key('one'), key('two')]
    const subscriber = await another()
    const inbox = new Inbox<[string, string]>()
    subscriber.on('message', (channel: string, text: string) => inbox.put([channel, text]))
    equal(await subscriber.subscribe(one, two), 2)
    equal(await client.publish(one, 'hello'), 1)
    equal(await inbox.take(), [one, 'hello'])
    for (let i = 0; i < 100; i++) void client.publish(two, String(i))
    for (let i = 0; i < 100; i++) equal(await inbox.take(), [two, String(i)])
    equal(await client.pubsub('NUMSUB', one), [one, 1])
    equal(await subscriber.unsubscribe(one), 1)
    equal(await client.publish(one, 'nobody'), 0)
    equal(await subscriber.unsubscribe(two), 0)
    equal(await subscriber.set(key('after'), 'subscribing'), 'OK')
    equal(inbox.size, 0)
  },

  async 'pub/sub patterns'({ client, another, key }) {
    const subscriber = await another()
    const inbox = new Inbox<string[]>()
    subscriber.on('pmessage', (...message: string[]) => inbox.put(message))
    equal(await subscriber.psubscribe(key('news.*')), 1)
    equal(await client.publish(key('news.art'), 'x'), 1)
    equal(await inbox.take(), [key('news.*'), key('news.art'), 'x'])
    equal(await subscriber.punsubscribe(key('news.*')), 0)
    equal(await client.publish(key('news.art'), 'nobody'), 0)
  },

  async 'sharded pub/sub'({ client, another, unique }) {
    const names = Array.from({ length: 6 }, (_, i) => `${unique}:${i}`)
    const subscriber = await another()
    const inbox = new Inbox<[string, string]>()
    subscriber.on('smessage', (channel: string, text: string) => inbox.put([channel, text]))
    // All of them hash to different slots, so they are asked for one by one.
    for (const [i, name] of names.entries()) equal(await subscriber.ssubscribe(name), i + 1)
    for (let i = 0; i < 10; i++) for (const name of names) equal(await client.spublish(name, String(i)), 1)
    const texts = Object.fromEntries(names.map((name) => [name, [] as string[]]))
    for (let i = 0; i < 10 * names.length; i++) {
      const [channel, text] = await inbox.take()
      texts[channel].push(text)
    }
    for (const name of names) equal(texts[name].join(), '0,1,2,3,4,5,6,7,8,9')
    for (const [i, name] of names.entries()) {
      equal(await subscriber.sunsubscribe(name), names.length - i - 1)
      equal(await client.spublish(name, 'nobody'), 0)
    }
    equal(inbox.size, 0)
  },

  async databases({ client, another, key }) {
    const third = await another({ db: 3 })
    equal(await client.set(key('same'), 'zero'), 'OK')
    equal(await third.get(key('same')), null)
    equal(await third.set(key('same'), 'three'), 'OK')
    for (let i = 0; i < 20; i++) {
      equal(await Promise.all([client.get(key('same')), third.get(key('same'))]), ['zero', 'three'])
    }
    equal(await third.del(key('same')), 1)
    equal(await client.get(key('same')), 'zero')
    equal(await client.select(3), 'OK')
    equal(await client.get(key('same')), null)
    equal(await client.select(0), 'OK')
    equal(await client.get(key('same')), 'zero')
  },

  async 'wrong type error'({ client, key }) {
    await client.set(key('s'), 'text')
    const text = 'WRONGTYPE Operation against a key holding the wrong kind of value'
    await refused(client.lpush(key('s'), 'x'), text)
    await refused(client.call('GET'), "ERR wrong number of arguments for 'get' command")
    equal(await client.get(key('s')), 'text')
  },

  async 'missing keys'({ client, key }) {
    const k = key('none')
    const replies = [client.get(k), client.hget(k, 'f'), client.lpop(k), client.spop(k), client.zscore(k, 'm')]
    equal(await Promise.all(replies), [null, null, null, null, null])
    equal(await Promise.all([client.lrange(k, 0, -1), client.exists(k), client.del(k), client.type(k)]), [
      [],
      0,
      0,
      'none',
    ])
  },

  async 'server info'({ client }) {
    const info = await client.info()
    ok(/^role:master\r$/m.test(info) && /^loading:0\r$/m.test(info), 'INFO names role and loading')
    ok(/^redis_version:\d+\./m.test(info), 'INFO names a version')
    const memory = await client.info('memory')
    ok(memory.includes('used_memory:') && !memory.includes('run_id:'), 'INFO of one section')
    equal(await client.config('GET', 'databases'), ['databases', '16'])
    ok(Math.abs(Number((await client.time())[0]) - Date.now() / 1000) < 60, 'TIME')
    ok((await client.dbsize()) >= 0, 'DBSIZE')
    ok(Number(await client.command('COUNT')) > 100, 'COMMAND COUNT')
  },

  async 'client names'({ client, another, unique }) {
    const one = await another({ connectionName: `one-${unique}` })
    equal(await one.client('GETNAME'), `one-${unique}`)
    equal(await client.client('GETNAME'), null)
    equal(await client.client('SETNAME', 'two'), 'OK')
    equal(await client.client('GETNAME'), 'two')
    equal(await one.client('GETNAME'), `one-${unique}`)
  },

  async 'client list and id'({ client, another, unique }) {
    const me = await another({ connectionName: `me-${unique}` })
    const number = await me.client('ID')
    equal(await me.client('ID'), number)
    const mine = ((await me.client('LIST')) as string)
      .split('\n')
      .filter((line) => line.includes(` name=me-${unique} `))
    equal(
      mine.map((line) => line.split(' ')[0]),
      [`id=${number}`],
    )
    ok(String(await me.client('INFO')).includes(` name=me-${unique} `), 'CLIENT INFO has the name')
    ok((await client.client('ID')) !== number, 'ids differ')
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
    equal(await other.quit(), 'OK')
    equal(await pending, 'OK')
    await refused(other.ping(), 'Connection is closed')
    equal(await client.get(key('last')), 'word')
  },
}

/** XREAD's reply as {stream: entries}. */
function entriesOf(reply: [string, unknown[]][] | null): Record<string, unknown[]> {
  return Object.fromEntries(reply ?? [])
}

await main(scenarios, open, (client) => client.disconnect())
