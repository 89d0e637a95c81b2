/** respool is succeeded by new processes while four client libraries count, without retries of their own: none of them notices. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Generations } from '../helpers/generations.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool } from '../helpers/respool.ts'
import { Cleanup } from '../integration/support.ts'
import { Counting } from './counting.ts'

/** The long form: RESTARTS=10. */
const RESTARTS = Number(process.env.RESTARTS ?? 2)
const SESSIONS = 4

describe('restarting under load', { timeout: 90_000 + RESTARTS * 30_000 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer

  before(async () => {
    redis = suite.add(await startRedis())
  })
  after(() => suite.run())

  for (const workers of [1, 2]) {
    it(`${RESTARTS} times with ${workers} worker(s) brings no error, and loses or doubles nothing`, async (context) => {
      const respool = await startRespool({ upstream: redis.url, args: ['--workers', String(workers)] })
      const generations = suite.add(new Generations(respool))
      const counting = await Counting.start(respool, SESSIONS, `${workers}:`)
      suite.also(() => counting.kill())
      const started = Date.now()
      let accepted = 0
      for (let nth = 0; nth < RESTARTS; nth++) {
        await generations.succeed()
        accepted += await respool.metric('respool_downstream_accepted_total')
      }
      const seconds = (Date.now() - started) / 1000
      await counting.stop()
      const { commands, errorCount } = counting
      context.diagnostic(
        `${RESTARTS} restarts in ${seconds.toFixed(1)} s: ${commands} commands, ${errorCount} errors, ${accepted} connections opened again`,
      )
      assert.deepEqual(counting.wrong, [])
      assert.deepEqual([...counting.errors], [])
      assert.deepEqual(await counting.differences(redis.port), [])
      assert.equal(accepted, 0)
    })
  }
})
