import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { Ring } from '../../src/util/ring.js'
import { check } from './property.ts'

test('an empty ring has nothing', () => {
  const ring = new Ring<number>(2)
  assert.equal(ring.length, 0)
  assert.equal(ring.peek(), undefined)
  assert.equal(ring.shift(), undefined)
  assert.equal(ring.at(0), undefined)
  assert.equal(ring.at(-1), undefined)
  assert.equal(ring.length, 0)
})

test('a ring is a queue, whatever is put in at either end and taken out when', (t) =>
  check(
    t,
    300,
    fc.property(fc.constantFrom(1, 2, 8), fc.array(fc.nat(4), { maxLength: 200 }), (capacity, steps) => {
      const ring = new Ring<number>(capacity)
      const model: number[] = []
      for (const [i, step] of steps.entries()) {
        if (step < 2) {
          ring.push(i)
          model.push(i)
        } else if (step === 2) {
          ring.unshift(i)
          model.unshift(i)
        } else assert.equal(ring.shift(), model.shift())
        assert.equal(ring.length, model.length)
        assert.equal(ring.peek(), model[0])
        for (let at = 0; at <= model.length; at++) assert.equal(ring.at(at), model[at])
      }
    }),
  ))

test('what was taken out is not kept alive', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const ring = new Ring<object>(4)
  const taken: WeakRef<object>[] = []
  for (let i = 0; i < 6; i++) ring.push({ i })
  for (let i = 0; i < 6; i++) taken.push(new WeakRef(ring.shift()!))
  await nextTurn()
  collect()
  assert.deepEqual(
    taken.map((ref) => ref.deref()),
    Array(6).fill(undefined),
  )
  assert.equal(ring.length, 0)
})
