/** The largest value that Redis takes passes through the proxy without staying in its memory. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { freemem } from 'node:os'
import { after, before, describe, it } from 'node:test'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { ask, Cleanup, extraMemory, MEGABYTE, SlowReader } from './support.ts'

const HUGE = 512 * MEGABYTE
/** What the proxy may use beyond what it uses idle, whatever passes through. */
const EXTRA_MEMORY = 64 * MEGABYTE

describe('huge values', { timeout: 120_000 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer
  let respool: Respool
  let direct: RawClient

  before(async () => {
    redis = suite.add(await startRedis())
    direct = suite.client(await RawClient.connect(redis.port))
    // On a busy machine Redis takes seconds to copy the value, before it sends the first byte.
    const config = { upstream: { commandTimeout: '20s' } }
    respool = suite.add(await startRespool({ upstream: redis.url, config }))
  })
  after(() => suite.run())

  it('passes 512 MB in and out with less than 64 MB of extra memory, every byte the same', async (context) => {
    // Redis keeps the value, and a copy while it is sent.
    if (freemem() < 3 * HUGE) return context.skip(`only ${Math.round(freemem() / MEGABYTE)} MB of memory are free`)
    const memory = extraMemory(respool)
    const client = await SlowReader.connect(respool.port)
    const block = randomBytes(4 * MEGABYTE)
    const sent = createHash('sha256')
    await client.send(Buffer.from(`*3\r\n$3\r\nSET\r\n$4\r\nhuge\r\n$${HUGE}\r\n`))
    for (let left = HUGE; left > 0; left -= block.length) {
      block.writeUInt32LE(left, 0)
      sent.update(block)
      await client.send(Buffer.from(block))
    }
    await client.send(Buffer.from('\r\n'))
    assert.equal(await client.line(), '+OK\r\n')
    assert.equal(await ask(direct, 'STRLEN', 'huge'), `:${HUGE}\r\n`)

    const received = createHash('sha256')
    await client.send(encode(['GET', 'huge']))
    assert.equal(await client.line(), `$${HUGE}\r\n`)
    await client.take(HUGE, (piece) => received.update(piece))
    assert.equal(await client.line(), '\r\n')
    client.close()
    const extra = await memory.stop()
    context.diagnostic(`${(extra / MEGABYTE).toFixed(1)} MB of extra memory at most`)
    assert.equal(received.digest('hex'), sent.digest('hex'))
    assert.ok(extra < EXTRA_MEMORY, `${extra} bytes of extra memory`)
  })
})
