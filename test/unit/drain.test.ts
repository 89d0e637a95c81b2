import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { Drain, type Drainable, type Leaver } from '../../src/life/drain.ts'
import { createLogger, EventLog } from '../../src/util/log.ts'

const log = new EventLog(createLogger('silent', new Writable()))

/** Connections that leave when they are asked to, and the most that did so at one look. */
function crowd(count: number, leaves = true) {
  const connections = new Set<Leaver>()
  const seen = { looks: 0, most: 0, finished: 0, destroyed: 0, cut: 0 }
  let now = 0
  const gone = (one: Leaver) => {
    connections.delete(one)
    if (now++ === 0) {
      seen.looks++
      setImmediate(() => (now = 0))
    }
    seen.most = Math.max(seen.most, now)
    return true
  }
  for (let nth = 0; nth < count; nth++) {
    const one: Leaver = {
      leave: () => leaves && gone(one),
      finish: () => seen.finished++,
      destroy: () => {
        seen.destroyed++
        connections.delete(one)
      },
    }
    connections.add(one)
  }
  const subject: Drainable = {
    connections,
    accepted: 0,
    close: () => undefined,
    endBlocking: () => undefined,
    cut: () => seen.cut++,
  }
  return { subject, seen }
}

test('idle connections leave in portions, so that they do not all come back elsewhere in one moment', async () => {
  const { subject, seen } = crowd(200)
  await new Drain(subject, { notice: 0, timeout: 60_000 }, log).run()
  assert.deepEqual([subject.connections.size, seen.looks, seen.cut], [0, 7, 0])
  assert.ok(seen.most <= 32)
})

test('portions are as large as it takes for all to leave in time', async () => {
  const { subject, seen } = crowd(10_000)
  await new Drain(subject, { notice: 0, timeout: 400 }, log).run()
  assert.equal(subject.connections.size, 0)
  assert.ok(seen.most >= 1000)
})

test('who does not leave is cut off, told, and closed in the end', async () => {
  const { subject, seen } = crowd(3, false)
  await new Drain(subject, { notice: 0, timeout: 1 }, log).run()
  assert.deepEqual(seen, { looks: 0, most: 0, finished: 3, destroyed: 3, cut: 1 })
})
