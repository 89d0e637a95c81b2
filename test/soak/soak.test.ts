/** A short soak: what the load has opened is closed again; and the verdict of a long one can be a bad one. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Sample } from './sample.ts'
import { soak } from './soak.ts'
import { faults, growth, leftOver } from './verdict.ts'

const MB = 1e6
const QUIET: Sample = {
  at: 0,
  rss: 100 * MB,
  heapUsed: 20 * MB,
  external: MB,
  arrayBuffers: MB,
  descriptors: 30,
  timers: 3,
  handles: 10,
  connections: 0,
  buffered: 0,
}
const series = (rss: (nth: number) => number) =>
  Array.from({ length: 30 }, (_, at) => ({ ...QUIET, at, rss: rss(at) * MB }))

describe('the verdict', () => {
  it('is good if memory has stopped growing, whatever it did before and in single moments', () => {
    const during = series((nth) => 100 + Math.min(nth, 10) * 20 + (nth % 9 === 0 ? 80 : 0))
    assert.deepEqual(faults(QUIET, during, { ...QUIET, rss: 300 * MB, descriptors: 29 }), [])
  })

  it('is bad if memory goes on growing', () => {
    assert.match(
      growth(series((nth) => 100 + nth)).join(),
      /^rss has grown by 8\.\d % from the middle third to the last$/,
    )
    const heap = series(() => 100).map((sample) => ({ ...sample, heapUsed: (20 + sample.at) * MB }))
    assert.match(growth(heap).join(), /^heapUsed has grown/)
  })

  it('is bad if anything stays open', () => {
    for (const key of ['descriptors', 'timers', 'handles', 'connections', 'buffered'] as const)
      assert.match(leftOver(QUIET, { ...QUIET, [key]: QUIET[key] + 1 }).join(), new RegExp(`^${key}: `))
  })
})

it('a short one leaves nothing open', { timeout: 90_000 }, async (context) => {
  const { before, during, after, connections, commands, wrong } = await soak({
    seconds: 8,
    every: 2,
    reloads: 2,
    restarts: 4,
  })
  context.diagnostic(`${connections} connections, ${commands} commands`)
  assert.deepEqual(wrong, [])
  assert.ok(during.some((sample) => sample.descriptors > before.descriptors + 20))
  assert.ok(commands > 1000)
  assert.deepEqual(leftOver(before, after), [])
})
