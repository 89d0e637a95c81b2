/** respool is succeeded by new processes while four client libraries count, without retries of their own: none of them notices. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Generations } from '../helpers/generations.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool } from '../helpers/respool.ts'
import { Cleanup } from '../integration/support.ts'
import { Counting } from './counting.ts'

/** The long form: RESTARTS=10. */
const RESTARTS = Number(process.env.RESTARTS ?? 3)
const SESSIONS = 4

describe('restarting under load', { timeout: 60_000 + RESTARTS * 15_000 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer

  before(async () => {
    redis = suite.add(await startRedis())
  })
  after(() => suite.run())

  it(`${RESTARTS} times brings no error, and loses or doubles nothing`, async (context) => {
    const generations = suite.add(new Generations(await startRespool({ upstream: redis.url })))
    const { respool } = generations
    const counting = await Counting.start(respool, SESSIONS)
    suite.also(() => counting.kill())
    const started = Date.now()
    let accepted = 0
    for (let nth = 0; nth < RESTARTS; nth++) {
      await generations.succeed()
      accepted += await respool.metric('respool_downstream_accepted_total')
    }
    const seconds = (Date.now() - started) / 1000
    await counting.stop()
    context.diagnostic(`${RESTARTS} restarts in ${seconds.toFixed(1)} s: ${counting.summary()}`)
    assert.deepEqual(counting.wrong, [])
    assert.deepEqual([...counting.errors], [])
    assert.deepEqual(await counting.differences(redis.port), [])
    assert.equal(accepted, 0, 'connections that libraries had to open again')
  })
})
