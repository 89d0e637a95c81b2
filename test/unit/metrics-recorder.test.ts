import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boundsOf, Histograms } from '../../src/metrics/histogram.js'
import { LabelCounter } from '../../src/metrics/label-counter.js'
import { PIN_REASONS, Recorder, SIZES, TIMES } from '../../src/metrics/recorder.js'

/** The bucket that a value fell into. */
function bucketOf(histograms: Histograms, row: number, value: number): number {
  const before = histograms.read(row).counts
  histograms.observe(row, value)
  const after = histograms.read(row).counts
  return after.findIndex((count, bucket) => count !== before[bucket])
}

/** The nearest larger double. */
function nextUp(value: number): number {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, value)
  view.setBigUint64(0, view.getBigUint64(0) + 1n)
  return view.getFloat64(0)
}

test('time bounds are 0.1 ms doubled fifteen times, size bounds 1 to 4096', () => {
  assert.deepEqual(
    boundsOf(TIMES),
    [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6, 819.2, 1638.4, 3276.8],
  )
  assert.deepEqual(boundsOf(SIZES), [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096])
})

for (const [name, doubling] of [
  ['times', TIMES],
  ['sizes', SIZES],
] as const) {
  test(`${name}: a value on a bound falls into its bucket, the next double into the next`, () => {
    const histograms = new Histograms(doubling)
    boundsOf(doubling).forEach((bound, bucket) => {
      assert.equal(bucketOf(histograms, 0, bound), bucket, `${bound}`)
      assert.equal(bucketOf(histograms, 0, nextUp(bound)), bucket + 1, `above ${bound}`)
    })
  })

  test(`${name}: any value falls where a search through the bounds puts it`, () => {
    const histograms = new Histograms(doubling)
    const bounds = boundsOf(doubling)
    for (let n = 0; n < 5000; n++) {
      const value = (bounds[0] / 4) * 1.0043 ** n
      const expected = bounds.findIndex((bound) => value <= bound)
      assert.equal(bucketOf(histograms, 0, value), expected === -1 ? bounds.length : expected, `${value}`)
    }
  })
}

test('values beyond 32 bits and infinity fall into the last bucket', () => {
  const histograms = new Histograms(TIMES)
  for (const value of [2 ** 31, 2 ** 32, 2 ** 33 + 1, 1e300, Infinity])
    assert.equal(bucketOf(histograms, 0, value), TIMES.finite)
})

test('a negative time, as of clocks read in another order, counts as 0 and takes nothing from the sum', () => {
  const histograms = new Histograms(TIMES)
  histograms.observe(0, 2)
  for (const value of [0, -0.001, -1e12, -Infinity, NaN]) assert.equal(bucketOf(histograms, 0, value), 0)
  assert.deepEqual([histograms.read(0).sum, histograms.read(0).total], [2, 6])
})

test('a larger id makes room for itself and leaves what was counted as it is', () => {
  const recorder = new Recorder(2)
  recorder.command(0, 0.15, false)
  recorder.command(1, 4000, true)
  recorder.command(700, 1.5, false)
  recorder.command(701, 1.5, true)
  recorder.upstream(999, 7)
  const tally = (histograms: Histograms, row: number) => {
    const { counts, total, sum } = histograms.read(row)
    return [counts.indexOf(1), total, sum]
  }
  assert.deepEqual(tally(recorder.succeeded, 0), [1, 1, 0.15])
  assert.deepEqual(tally(recorder.failed, 1), [16, 1, 4000])
  assert.deepEqual(tally(recorder.succeeded, 700), [4, 1, 1.5])
  assert.deepEqual(tally(recorder.failed, 701), [4, 1, 1.5])
  assert.deepEqual(tally(recorder.upstreamTimes, 999), [7, 1, 7])
  assert.equal(recorder.succeeded.read(699).total, 0)
})

test('labels past the limit count together as other', () => {
  const counter = new LabelCounter(['known'], 3)
  for (let n = 0; n < 1000; n++) counter.add(`label ${n}`)
  counter.add('known')
  counter.add('label 1')
  assert.deepEqual(Object.fromEntries(counter.entries()), { known: 1, 'label 0': 1, 'label 1': 2, other: 998 })
})

test('a label that is itself called other joins the rest', () => {
  const counter = new LabelCounter([], 1)
  counter.add('other')
  counter.add('a')
  counter.add('b')
  assert.deepEqual(Object.fromEntries(counter.entries()), { a: 1, other: 2 })
})

test('every pin reason shows from the start', () => {
  const recorder = new Recorder()
  recorder.pin('watch')
  assert.deepEqual(
    recorder.pins.entries(),
    PIN_REASONS.map((reason) => [reason, reason === 'watch' ? 1 : 0]),
  )
})
