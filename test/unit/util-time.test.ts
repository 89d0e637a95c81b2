import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Backoff } from '../../src/util/backoff.js'
import { monotonic, TurnClock } from '../../src/util/clock.js'

const take = (backoff: Backoff, count: number) => Array.from({ length: count }, () => backoff.next())

test('delays double up to the longest', () => {
  assert.deepEqual(take(new Backoff(50, 800, () => 0), 7), [50, 100, 200, 400, 800, 800, 800])
})

test('each delay is shortened by up to half', () => {
  assert.deepEqual(take(new Backoff(50, 800, () => 1), 6), [25, 50, 100, 200, 400, 400])
  assert.deepEqual(take(new Backoff(100, 800, () => 0.5), 2), [75, 150])
  const random = take(new Backoff(1000, 1000), 200)
  assert.ok(random.every((delay) => delay > 500 && delay <= 1000))
  assert.ok(new Set(random).size > 100)
})

test('after a success it begins anew', () => {
  const backoff = new Backoff(50, 800, () => 0)
  take(backoff, 5)
  backoff.reset()
  assert.deepEqual(take(backoff, 2), [50, 100])
})

test('ten thousand failures later the delay is still the longest', () => {
  const backoff = new Backoff(1, 30_000, () => 0)
  assert.equal(take(backoff, 10_000).at(-1), 30_000)
})

test('a shortest delay over the longest is cut', () => {
  assert.deepEqual(take(new Backoff(500, 100, () => 0), 2), [100, 100])
})

test('a turn clock stands still until it is read', () => {
  let now = 5
  const clock = new TurnClock(() => now)
  assert.equal(clock.now, 5)
  now = 7
  assert.equal(clock.now, 5)
  assert.equal(clock.tick(), 7)
  assert.equal(clock.now, 7)
})

test('the monotonic clock never goes back', () => {
  let before = monotonic()
  for (let i = 0; i < 10_000; i++) {
    const now = monotonic()
    assert.ok(now >= before)
    before = now
  }
  const clock = new TurnClock()
  assert.ok(clock.now >= before && clock.tick() >= clock.now)
})
