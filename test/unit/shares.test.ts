import assert from 'node:assert/strict'
import { it } from 'node:test'
import { load } from '../../src/config/load.ts'
import { shareOf } from '../../src/config/shares.ts'

it('the shares of all workers are together what was configured, and each can be run', () => {
  for (const workers of [1, 2, 3, 7]) {
    const argv = ['--upstream', 'redis://x', '--workers', String(workers)]
    const env = { RESPOOL_POOL_MAX: '10', RESPOOL_POOL_MIN: '9', RESPOOL_POOL_LEASES_MAX_BLOCKING: '8' }
    const loaded = load({ argv, env, readFile: () => '' })
    assert.ok(loaded.ok === true)
    const { config } = loaded
    const shares = Array.from({ length: workers }, (_, index) => shareOf(config, index))
    for (const of of [
      (one: typeof config) => one.pool.max,
      (one: typeof config) => one.pool.min,
      (one: typeof config) => one.pool.leases.max,
      (one: typeof config) => one.pool.leases.reserve,
      (one: typeof config) => one.pool.leases.maxBlocking,
      (one: typeof config) => one.pool.leases.maxWaiters,
      (one: typeof config) => one.limits.connections,
      (one: typeof config) => one.limits.bufferedBytes,
      (one: typeof config) => one.upstream.maxHeld,
      (one: typeof config) => one.scripts.cacheCount,
      (one: typeof config) => one.scripts.cacheBytes,
    ]) {
      const each = shares.map(of)
      assert.equal(
        each.reduce((sum, one) => sum + one, 0),
        of(config),
        of.toString(),
      )
      assert.ok(Math.max(...each) - Math.min(...each) <= 1, of.toString())
    }
    for (const one of shares) {
      assert.ok(one.pool.max >= 1 && one.pool.leases.max >= 1 && one.pool.min <= one.pool.max)
      assert.equal(one.limits.outputBytes, config.limits.outputBytes)
    }
  }
})

it('what has no limit has none in any share', () => {
  const loaded = load({ argv: ['--upstream', 'redis://x', '--workers', '4'], env: {}, readFile: () => '' })
  assert.ok(loaded.ok === true)
  assert.equal(shareOf(loaded.config, 3).pool.leases.maxBlocking, 0)
})

it('limits of a listener are divided too, and nobody gets nothing', () => {
  const readFile = () => "listen: [{ address: ':1', limits: { connections: 10, commandsPerSecond: 3 } }]"
  const loaded = load({ argv: ['-c', 'f', '--upstream', 'redis://x', '--workers', '4'], env: {}, readFile })
  assert.ok(loaded.ok === true)
  const shares = [0, 1, 2, 3].map((index) => shareOf(loaded.config, index).listen[0].limits)
  assert.deepEqual(
    shares.map((one) => [one?.connections, one?.commandsPerSecond, one?.bufferedBytes]),
    [
      [3, 1, 0],
      [3, 1, 0],
      [2, 1, 0],
      [2, 1, 0],
    ],
  )
})
