/**
 * Readers of the near cache race with writers, some of them applications of respool and some of Redis itself. A value may be found for as
 * long as nobody can know better:
 *
 *   a write through respool is answered ──► from then on every read finds it, or a later one
 *   a write at Redis ──► a mark, written behind it ──► once a read through respool has found the mark, every read finds the write or a later
 *                        one: Redis had told of it before
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect as dial, createServer, type Socket } from 'node:net'
import { after, describe, it, type TestContext } from 'node:test'
import { RawClient } from '../helpers/raw.ts'
import { startRedis } from '../helpers/redis.ts'
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

/** What Redis says of changes comes so much later, ms. */
const LATE = 15

/** Stands before a Redis, and holds back what it says on connections that track. */
async function delaying(port: number): Promise<{ port: number; stop(): void }> {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const redis = dial(port, '127.0.0.1').setNoDelay(true)
    let late = false
    client.setNoDelay(true).on('data', (bytes) => {
      late ||= bytes.includes('TRACKING')
      redis.write(bytes)
    })
    redis.on('data', (bytes) => (late ? setTimeout(() => client.write(bytes), LATE) : client.write(bytes)))
    for (const [one, other] of [
      [client, redis],
      [redis, client],
    ]) {
      sockets.add(one)
      one.on('error', () => undefined).on('close', () => other.destroy())
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    stop() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

describe('the near cache under load', { timeout: 120_000 + READS / 5 }, () => {
  const suite = new Cleanup()
  after(() => suite.run())
  const connect = async (port: number) => suite.client(await RawClient.connect(port))

  async function start(upstream: string): Promise<Respool> {
    const cache = { prefixes: ['c:'], maxAge: '1h' }
    const respool = suite.add(await startRespool({ upstream, config: { cache } }))
    await until(async () => (await respool.metric('respool_cache_ready')) === 1, 'Redis tells what changes')
    return respool
  }

  it('finds no value that is older than what is known to be written', async (context) => {
    const redis = suite.add(await startRedis())
    await race(context, await start(redis.url), READS, redis.port)
  })

  it('finds what was written through the same respool though Redis tells of it late', async (context) => {
    const redis = suite.add(await startRedis())
    const { port } = suite.add(await delaying(redis.port))
    await race(context, await start(`redis://127.0.0.1:${port}`), READS / 2, null)
  })

  /** @param outside where somebody else writes; null for nobody */
  async function race(context: TestContext, respool: Respool, most: number, outside: number | null): Promise<void> {
    /** By key: the oldest version that may still be found. */
    const floors = new Map<string, number>()
    const raise = (key: string, version: number) => floors.set(key, Math.max(floors.get(key) ?? 0, version))
    const stale: string[] = []
    let reads = 0
    let written = 0
    const goesOn = () => reads < most && stale.length === 0

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
    async function writeThere(port: number): Promise<void> {
      const [direct, watcher] = [await connect(port), await connect(respool.port)]
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
    const writers = [writeHere(0), writeHere(1), writeHere(2), ...(outside === null ? [] : [writeThere(outside)])]
    await Promise.all([...readers, ...writers])
    const hits = await respool.metric('respool_cache_hits_total')
    context.diagnostic(`${reads} reads, ${written} writes; ${hits} answers were kept ones`)
    assert.deepEqual(stale, [])
    assert.ok(reads >= most && hits > most / 50)
  }
})
