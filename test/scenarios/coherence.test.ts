/**
 * Readers of the near cache race with writers, some of them applications of respool and some of Redis itself. A value may be found for as
 * long as nobody can know better:
 *
 *   a write through respool is answered ──► from then on every read finds it, or a later one
 *   a write at Redis ──► a mark, written behind it ──► once a read through respool has found the mark, every read finds the write or a later
 *                        one: Redis had told of it before
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { RawClient } from '../helpers/raw.ts'
import { type RedisServer, startRedis } from '../helpers/redis.ts'
import { type Respool, startRespool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, pipeline } from '../integration/support.ts'

/** Reads of all readers together; 1 M with this in the environment. */
const READS = Number(process.env['RESPOOL_COHERENCE_READS'] ?? 60_000)
const READERS = 6
const PIPELINE = 8
const KEYS = 12

/** The number in a bulk string; 0 for none. */
const versionIn = (reply: string) => (reply.startsWith('$-1') ? 0 : Number(reply.split('\r\n')[1]))

describe('the near cache under load', { timeout: 120_000 + READS / 5 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer
  let respool: Respool

  before(async () => {
    redis = suite.add(await startRedis())
    const cache = { prefixes: ['c:'], maxAge: '1h' }
    respool = suite.add(await startRespool({ upstream: redis.url, config: { cache } }))
    await until(async () => (await respool.metric('respool_cache_ready')) === 1, 'Redis tells what changes')
  })
  after(() => suite.run())
  const connect = async (port: number) => suite.client(await RawClient.connect(port))

  it('finds no value that is older than what is known to be written', async (context) => {
    /** By key: the oldest version that may still be found. */
    const floors = new Map<string, number>()
    const raise = (key: string, version: number) => floors.set(key, Math.max(floors.get(key) ?? 0, version))
    const stale: string[] = []
    let reads = 0
    let written = 0
    const goesOn = () => reads < READS && stale.length === 0

    async function read(): Promise<void> {
      const client = await connect(respool.port)
      while (goesOn()) {
        const keys = Array.from({ length: PIPELINE }, () => `c:${Math.floor(Math.random() * KEYS)}`)
        const expected = keys.map((key) => floors.get(key) ?? 0)
        const replies = await pipeline(
          client,
          keys.map((key) => ['GET', key]),
        )
        replies.forEach((reply, nth) => {
          const version = versionIn(reply)
          if (version < expected[nth]) stale.push(`${keys[nth]}: ${version} after ${expected[nth]}`)
        })
        reads += replies.length
      }
    }

    /** Writes keys of its own through respool, and reads them in the same breath. */
    async function writeHere(nth: number): Promise<void> {
      const client = await connect(respool.port)
      for (let version = 1; goesOn(); version++, written++) {
        const key = `c:${nth + 3 * (version % 2)}`
        const [, value] = await pipeline(client, [
          ['SET', key, version],
          ['GET', key],
        ])
        raise(key, version)
        if (versionIn(value) < version) stale.push(`own ${key}: ${value} after ${version}`)
      }
    }

    /** Writes keys of its own at Redis. */
    async function writeThere(): Promise<void> {
      const [direct, watcher] = [await connect(redis.port), await connect(respool.port)]
      for (let version = 1; goesOn(); version++) {
        const keys = ['c:6', 'c:7', 'c:8'].slice(0, 1 + (version % 3))
        for (const key of keys) await ask(direct, 'SET', key, version)
        await ask(direct, 'SET', 'c:mark', version)
        written += keys.length + 1
        while (versionIn(await ask(watcher, 'GET', 'c:mark')) < version);
        for (const key of keys) raise(key, version)
      }
    }

    const readers = Array.from({ length: READERS }, read)
    await Promise.all([...readers, writeHere(0), writeHere(1), writeHere(2), writeThere()])
    const hits = await respool.metric('respool_cache_hits_total')
    context.diagnostic(`${reads} reads, ${written} writes; ${hits} answers were kept ones`)
    assert.deepEqual(stale, [])
    assert.ok(reads >= READS && hits > READS / 10)
  })
})
