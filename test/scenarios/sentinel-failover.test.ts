/** Another server becomes the primary, or has to, while four client libraries count: none of their connections is dropped. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { encode, RawClient } from '../helpers/raw.ts'
import { type Respool, startRespool } from '../helpers/respool.ts'
import { type Sentinels, startSentinels } from '../helpers/sentinels.ts'
import { Cleanup } from '../integration/support.ts'
import { Counting } from './counting.ts'

/** What a command may be told that was on its way when its primary ceased to be one. */
const EXPECTED = /^\w+ (OUTCOMEUNKNOWN|EXECABORT|READONLY) /

describe('failover by sentinels under load', { timeout: 120_000 }, () => {
  const suite = new Cleanup()
  let sentinels: Sentinels
  let respool: Respool

  before(async () => {
    sentinels = suite.add(await startSentinels({ replicas: 2, downAfter: 1000 }))
    const config = { upstream: { holdTime: '15s', commandTimeout: '15s' }, pool: { leases: { waitTimeout: '15s' } } }
    respool = suite.add(await startRespool({ upstream: sentinels.url, config }))
  })
  after(() => suite.run())

  const faults: Record<string, () => Promise<void>> = {
    'SENTINEL FAILOVER': () => sentinels.failover(),
    'the death of the primary': async () => {
      const primary = await sentinels.primary()
      await primary.kill()
    },
  }
  for (const [name, happens] of Object.entries(faults)) {
    it(`${name} drops no application`, async (context) => {
      const before = await sentinels.primary()
      const probe = suite.client(await RawClient.connect(respool.port))
      const counting = await Counting.start(respool, 2, `${name.length}`)
      suite.also(() => counting.kill())
      // Until it hears of its fate the old one confirms what the new one never gets.
      counting.tolerateLosses()
      const began = performance.now()
      await happens()
      const isGone = async () => (await sentinels.primary()).port !== before.port
      while (!(await isGone())) await sleep(20)
      probe.send(encode(['SET', 'probe', name]))
      assert.equal(String(await probe.frame(20_000)), '+OK\r\n')
      const seconds = (performance.now() - began) / 1000
      await sleep(1500)
      await counting.stop()
      context.diagnostic(
        `another primary after ${seconds.toFixed(1)} s: ${counting.summary()}; ${counting.lost} counts lost by Redis`,
      )
      assert.deepEqual(counting.wrong, [])
      for (const error of counting.errors.keys()) assert.match(error, EXPECTED)
      assert.equal(counting.reconnected, 0)
      assert.deepEqual(await counting.differences(respool.port), [])
    })
  }
})
