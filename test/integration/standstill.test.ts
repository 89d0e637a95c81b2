/** The proxy itself stands still for a while, as a container that is out of CPU does: what Redis answered meanwhile counts. */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis } from '../helpers/redis.ts'
import { startRespool } from '../helpers/respool.ts'
import { ask, Cleanup } from './support.ts'

const TIMEOUT = 500

describe('a proxy that stood still', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  after(() => suite.run())

  it('takes the answers that wait for it, and then finds late what has none', async () => {
    const redis = suite.add(await startRedis())
    const config = { upstream: { commandTimeout: TIMEOUT } }
    const respool = suite.add(await startRespool({ upstream: redis.url, config }))
    const client = suite.client(await RawClient.connect(respool.port))
    assert.equal(await ask(client, 'SET', 'k', 1), '+OK\r\n')

    await redis.kill('SIGSTOP')
    client.send(encode(['INCR', 'k']))
    // By then it is on its way.
    await sleep(100)
    process.kill(respool.pid, 'SIGSTOP')
    await redis.kill('SIGCONT')
    await sleep(2 * TIMEOUT)
    process.kill(respool.pid, 'SIGCONT')
    assert.equal(String(await client.frame()), ':2\r\n')

    await redis.kill('SIGSTOP')
    client.send(encode(['INCR', 'k']))
    assert.match(String(await client.frame()), /^-OUTCOMEUNKNOWN /)
    await redis.kill('SIGCONT')
  })
})
