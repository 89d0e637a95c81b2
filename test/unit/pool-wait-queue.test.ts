import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ErrorCode } from '../../src/errors.js'
import { cancelWait, WaitQueue, type Waiter } from '../../src/upstream/wait-queue.js'
import { check } from './property.ts'

class Recorded implements Waiter {
  queue: WaitQueue | null = null
  refusals: ErrorCode[] = []

  constructor(readonly deadline: number) {}

  granted(): void {
    assert.fail('the queue itself grants nothing')
  }

  refused(code: ErrorCode): void {
    this.refusals.push(code)
  }
}

function queueOf(...deadlines: number[]): { queue: WaitQueue; waiters: Recorded[] } {
  const queue = new WaitQueue()
  const waiters = deadlines.map((deadline) => new Recorded(deadline))
  for (const waiter of waiters) queue.push(waiter)
  return { queue, waiters }
}

test('first come, first served', () => {
  const { queue, waiters } = queueOf(10, 20, 30)
  assert.deepEqual([queue.shift(), queue.shift(), queue.shift()], waiters)
  assert.equal(queue.shift(), undefined)
  assert.equal(queue.length, 0)
})

test('who has left is not counted and not served', () => {
  const { queue, waiters } = queueOf(10, 20, 30)
  cancelWait(waiters[0])
  cancelWait(waiters[0])
  cancelWait(waiters[1])
  assert.equal(queue.length, 1)
  assert.equal(queue.oldest, 30)
  assert.equal(queue.shift(), waiters[2])
  assert.equal(queue.shift(), undefined)
  assert.equal(queue.length, 0)
})

test('leaving a queue that one never was in, or was served by, changes nothing', () => {
  const { queue, waiters } = queueOf(10, 20)
  cancelWait(new Recorded(5))
  assert.equal(queue.shift(), waiters[0])
  cancelWait(waiters[0])
  assert.equal(queue.length, 1)
  assert.equal(queue.shift(), waiters[1])
})

test('the one who has waited longest tells by the deadline; nobody is infinity', () => {
  const { queue } = queueOf(10, 20)
  assert.equal(queue.oldest, 10)
  queue.shift()
  assert.equal(queue.oldest, 20)
  queue.shift()
  assert.equal(queue.oldest, Infinity)
})

test('all are refused at once, but not those who have left', () => {
  const { queue, waiters } = queueOf(10, 20, 30)
  cancelWait(waiters[1])
  queue.refuseAll('upstreamDown')
  assert.deepEqual(
    waiters.map((waiter) => waiter.refusals),
    [['upstreamDown'], [], ['upstreamDown']],
  )
  assert.equal(queue.length, 0)
})

test('those are refused whose time is over, to the millisecond', () => {
  const { queue, waiters } = queueOf(10, 20, 20, 30)
  cancelWait(waiters[2])
  assert.equal(queue.refuseExpired(9, 'leaseTimeout'), 0)
  assert.equal(queue.refuseExpired(20, 'leaseTimeout'), 2)
  assert.deepEqual(
    waiters.map((waiter) => waiter.refusals),
    [['leaseTimeout'], ['leaseTimeout'], [], []],
  )
  assert.equal(queue.length, 1)
  assert.equal(queue.shift(), waiters[3])
})

test('it counts right whatever happens in whatever order', (t) =>
  check(
    t,
    200,
    fc.property(fc.array(fc.nat(9), { maxLength: 60 }), (moves) => {
      const queue = new WaitQueue()
      let expected: Recorded[] = []
      let now = 0
      for (const [i, move] of moves.entries()) {
        now++
        if (move < 5) {
          const waiter = new Recorded(now + 6)
          queue.push(waiter)
          expected.push(waiter)
        } else if (move < 7) assert.equal(queue.shift(), expected.shift())
        else if (move < 9 && expected.length > 0) cancelWait(expected.splice(i % expected.length, 1)[0])
        else {
          const over = expected.filter((waiter) => waiter.deadline <= now)
          expected = expected.filter((waiter) => waiter.deadline > now)
          assert.equal(queue.refuseExpired(now, 'holdExpired'), over.length)
          for (const waiter of over) assert.deepEqual(waiter.refusals, ['holdExpired'])
        }
        assert.equal(queue.length, expected.length)
      }
      for (const waiter of expected) assert.deepEqual(waiter.refusals, [])
    }),
  ))
