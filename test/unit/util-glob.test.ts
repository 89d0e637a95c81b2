import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { matchesGlob } from '../../src/util/glob.js'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { check } from './property.ts'

let redis: RedisServer
let client: RawClient

before(async () => {
  redis = await startRedis()
  client = await RawClient.connect(redis.port)
})
after(async () => {
  client.close()
  await redis.stop()
})

const bytes = (text: string) => Buffer.from(text, 'latin1')

/** Those of the texts that Redis takes to match: it lists the channels that somebody is subscribed to by a pattern. */
async function matchedByRedis(pattern: string, texts: string[]): Promise<string[]> {
  client.send(encode(['RESET']))
  client.send(encode(['HELLO', '3']))
  client.send(encode(['SUBSCRIBE', ...texts.map(bytes)]))
  client.send(encode(['PUBSUB', 'CHANNELS', bytes(pattern)]))
  for (let left = 2 + texts.length; left > 0; left--) await client.frame()
  const reply = (await client.frame()).toString('latin1')
  return texts.filter((text) => reply.includes(`$${text.length}\r\n${text}\r\n`))
}

// Few letters, so that texts match often, and everything that means something in a pattern.
const letter = fc.constantFrom('a', 'b', 'c', '-', '^', ']', '[', '\\', '*', '?', '\xff', '\0')
const word = (maxLength: number) => fc.string({ unit: letter, maxLength })
const element = fc.oneof(
  { weight: 3, arbitrary: letter },
  { weight: 2, arbitrary: fc.constantFrom('*', '?', '**', '[^', '[a-c]', '[^a-c]', '[c-a]', '[\\]', '[]a]', '[a-') },
  { weight: 1, arbitrary: word(4).map((inside) => `[${inside}]`) },
)
const pattern = fc.array(element, { maxLength: 5 }).map((elements) => elements.join(''))

test('matches what Redis matches', async (t) => {
  let [matched, unmatched] = [0, 0]
  const property = fc.asyncProperty(
    pattern,
    fc.uniqueArray(word(4), { minLength: 10, maxLength: 40 }),
    async (one, texts) => {
      const expected = await matchedByRedis(one, texts)
      matched += expected.length
      unmatched += texts.length - expected.length
      assert.deepEqual(
        texts.filter((text) => matchesGlob(one, text)),
        expected,
      )
    },
  )
  await check(t, 1500, property)
  t.diagnostic(`${matched} matched, ${unmatched} did not`)
  assert.ok(matched > 500)
})

test('takes no longer than text times pattern', () => {
  const text = 'a'.repeat(20_000)
  assert.equal(matchesGlob(`${'*a'.repeat(200)}*b`, text), false)
  assert.equal(matchesGlob(`${'*a'.repeat(200)}*`, text), true)
})
