/** Applications that write before they read, stop reading, stop writing, or are blocked when the proxy has to stop. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ERRORS } from '../../src/errors.ts'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, connectAll, SlowReader } from './support.ts'

const bulk = (value: string) => `$${value.length}\r\n${value}\r\n`

describe('patience', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer
  let direct: RawClient

  before(async () => {
    redis = suite.add(await startRedis())
    direct = suite.client(await RawClient.connect(redis.port))
  })
  beforeEach(async () => void (await direct.call('FLUSHALL')))
  after(() => suite.run())

  const proxy = async (config: object = {}) => suite.add(await startRespool({ upstream: redis.url, config }))

  for (const size of [1000, 10_000, 30_000]) {
    it(`an application that writes 2,000 commands of ${size} bytes before it reads is not left hanging`, async () => {
      const respool = await proxy()
      const client = await SlowReader.connect(respool.port)
      const value = 'v'.repeat(size)
      const command = encode(['GETSET', 'k', value])
      await direct.call('SET', 'k', value)
      // Resolves when the kernel has taken the last byte, with not a byte read before.
      await client.send(Buffer.concat(Array.from({ length: 2000 }, () => command)))
      await client.take(2000 * bulk(value).length)
      client.close()
    })
  }

  it('a reader of many replies that pauses gets them all, and its neighbours are served meanwhile', async () => {
    const respool = await proxy()
    const value = 'v'.repeat(10_000)
    await direct.call('SET', 'ten', value)
    const neighbours = await connectAll(respool.port, 5)
    const reader = await SlowReader.connect(respool.port)
    const sending = reader.send(Buffer.concat(Array.from({ length: 10_000 }, () => encode(['GET', 'ten']))))
    await reader.take(100 * bulk(value).length)
    for (let turn = 0; turn < 100; turn++) {
      for (const client of neighbours) assert.equal(await ask(client, 'GET', 'missing'), '$-1\r\n')
      await sleep(15)
    }
    await reader.take(9900 * bulk(value).length)
    await sending
    for (const client of [reader, ...neighbours]) client.close()
  })

  it('half a command is waited for up to the limit, and then refused', async () => {
    const respool = await proxy({ limits: { stallTimeout: '300ms' } })
    const client = await RawClient.connect(respool.port)
    client.send('*2\r\n$3\r\nGET\r\n$5')
    assert.equal((await client.frame()).toString(), `-${ERRORS.stalled.text}\r\n`)
    await client.closed
    const large = await RawClient.connect(respool.port)
    large.send(encode(['SET', 'large', 'v'.repeat(200_000)]).subarray(0, 150_000))
    await large.closed
    await until(async () => (await respool.metric('respool_pool_connections', { state: 'pinned' })) === 0, 'no lease')
    assert.equal((await direct.call('EXISTS', 'large')).toString(), ':0\r\n')
  })

  it('SIGTERM does not wait for sessions that are blocked or subscribed', async () => {
    const respool = await startRespool({ upstream: redis.url })
    const [blocked, subscribed] = await connectAll(respool.port, 2)
    blocked.send(encode(['BLPOP', 'queue', '0']))
    await ask(subscribed, 'SUBSCRIBE', 'news')
    await until(async () => (await respool.metric('respool_pins_total', { reason: 'blocking' })) === 1, 'it is blocked')
    const code = respool.stop('SIGTERM')
    await Promise.all([blocked.closed, subscribed.closed])
    assert.equal(await code, 0)
  })

  it('databases are asked for one by one where Redis does not tell how many there are', async () => {
    const quiet = suite.add(await startRedis({ args: ['--databases', '32', '--rename-command', 'CONFIG', '""'] }))
    const respool = suite.add(await startRespool({ upstream: quiet.url }))
    const client = suite.client(await RawClient.connect(respool.port))
    const same = suite.client(await RawClient.connect(quiet.port))
    for (const index of ['20', '31', '32', '-1', '0', '20']) {
      for (const command of [
        ['SELECT', index],
        ['INCR', `seen:${index}`],
      ]) {
        if (command[0] === 'SELECT') {
          assert.equal(await ask(client, ...command), (await same.call(...command)).toString(), command.join(' '))
        } else await ask(client, ...command)
      }
    }
    await same.call('SELECT', '20')
    assert.equal((await same.call('GET', 'seen:20')).toString(), '$1\r\n2\r\n')
  })
})
