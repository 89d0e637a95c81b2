import { BasicClientSideCache, createClient } from 'redis'
import { equal, host, ok, play, port } from '../clients/program.ts'

// Client-side caching of node-redis: what was read once is answered from memory until Redis says that it has changed.

const cache = new BasicClientSideCache({ maxEntries: 1000 })
const client = await createClient({ RESP: 3, socket: { host, port }, clientSideCache: cache }).connect()
const other = await createClient({ socket: { host, port } }).connect()

/** How often Redis itself has been asked for values. */
async function gets(): Promise<number> {
  const calls = /cmdstat_get:calls=(\d+)/.exec(await other.info('commandstats'))?.[1]
  return Number(calls ?? 0)
}

/** Reads until the value is as expected: an invalidation takes a moment. */
async function becomes(key: string, value: string | null): Promise<void> {
  while ((await client.get(key)) !== value) await new Promise((resolve) => setTimeout(resolve, 5))
}

await play({
  async 'hits are answered locally'() {
    await other.set('a', '1')
    equal(await client.get('a'), '1')
    const before = await gets()
    for (let i = 0; i < 100; i++) equal(await client.get('a'), '1')
    equal(await gets(), before)
    equal(cache.stats().hitCount, 100)
  },

  async 'a write by another client invalidates'() {
    for (const value of ['2', '3', '4']) {
      await other.set('a', value)
      await becomes('a', value)
      equal(await client.get('a'), value)
    }
    await other.del('a')
    await becomes('a', null)
  },

  async 'a write of its own invalidates'() {
    await client.set('own', '1')
    equal(await client.get('own'), '1')
    await client.set('own', '2')
    await becomes('own', '2')
  },

  async 'hashes, many keys, expiry'() {
    await other.hSet('h', { one: '1', two: '2' })
    equal({ ...(await client.hGetAll('h')) }, { one: '1', two: '2' })
    await other.mSet({ x: '1', y: '2' })
    equal(await client.mGet(['x', 'y']), ['1', '2'])
    await other.hSet('h', 'two', 'II')
    while ((await client.hGet('h', 'two')) !== 'II') await new Promise((resolve) => setTimeout(resolve, 5))
    await other.set('short', 'lived', { expiration: { type: 'PX', value: 50 } })
    equal(await client.get('short'), 'lived')
    await becomes('short', null)
  },

  async 'FLUSHDB invalidates all'() {
    await other.mSet({ p: '1', q: '2' })
    equal([await client.get('p'), await client.get('q')], ['1', '2'])
    await other.flushDb()
    await becomes('p', null)
    await becomes('q', null)
  },

  async 'many keys written while they are read'() {
    const keys = Array.from({ length: 200 }, (_, i) => `k${i}`)
    for (let round = 0; round < 5; round++) {
      await Promise.all([...keys.map((key) => other.set(key, `${round}`)), ...keys.map((key) => client.get(key))])
    }
    await Promise.all(keys.map((key) => becomes(key, '4')))
    ok(cache.stats().hitCount > 100, 'nothing was cached')
  },

  async close() {
    await client.close()
    await other.close()
  },
})
