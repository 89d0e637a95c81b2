/** Hash slots, compared with those that a real server tells. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { slotOf, slotWithin } from '../../src/commands/slot.ts'
import { encode, RawClient } from '../helpers/raw.ts'
import { type RedisServer, startRedis } from '../helpers/redis.ts'

const KEYS = 100_000
const BATCH = 5000

/** Deterministic, so that a failure can be repeated. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const random = randomNumbers(16_384)

/** Bytes of which the given part are braces, on average. */
function randomKey(longest: number, braces: number): Buffer {
  const bytes = Buffer.alloc(random(longest + 1))
  for (let i = 0; i < bytes.length; i++) bytes[i] = random(100) < braces ? '{}'.charCodeAt(random(2)) : random(256)
  return bytes
}

describe('hash slots are those of the server', () => {
  let redis: RedisServer
  let client: RawClient

  before(async () => {
    redis = await startRedis({ args: ['--cluster-enabled', 'yes'] })
    client = await RawClient.connect(redis.port)
  })
  after(async () => {
    client.close()
    await redis.stop()
  })

  async function compare(keys: Buffer[]): Promise<void> {
    client.send(Buffer.concat(keys.map((key) => encode(['CLUSTER', 'KEYSLOT', key]))))
    for (const key of keys) {
      const slot = String(await client.frame())
      assert.equal(`:${slotOf(key)}\r\n`, slot, key.toString('hex'))
      const around = Buffer.concat([Buffer.from('{x}'), key, Buffer.from('}')])
      assert.equal(`:${slotWithin(around, 3, 3 + key.length)}\r\n`, slot, key.toString('hex'))
    }
  }

  it('for keys with tags of all kinds, and with things that are none', async () => {
    const texts = [
      '',
      'a',
      '{}',
      '{}a',
      'a{}',
      '{a',
      'a}',
      '}{',
      '{a}',
      '{a}{b}',
      'x{a}{b}y',
      '{{a}}',
      '{{a',
      '{}{a}',
      '}{a}{',
    ]
    const binary = ['7b007d', '7bff7d00', '007b7d7b617d', 'c3a47bc3b67d', '7b7b7d7d', '00', 'ff'.repeat(1000)]
    await compare([...texts.map((text) => Buffer.from(text)), ...binary.map((hex) => Buffer.from(hex, 'hex'))])
  })

  it('for random ones', async () => {
    for (let done = 0; done < KEYS; done += BATCH) {
      const braces = [0, 2, 30, 90][(done / BATCH) % 4]
      await compare(Array.from({ length: BATCH }, () => randomKey(braces === 90 ? 12 : 60, braces)))
    }
  })
})
