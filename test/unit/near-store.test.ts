/** What is kept of replies: by which commands, for how long, in how much memory. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { Store } from '../../src/cache/store.ts'
import { isKeepable } from '../../src/commands/keepable.ts'
import { Flag } from '../../src/commands/spec.ts'
import { CommandTable } from '../../src/commands/table.ts'
import { LabelCounter } from '../../src/metrics/label-counter.ts'

const AMPLE = { maxBytes: 2 ** 30, maxEntries: 1_000_000, maxEntryBytes: 64 * 1024 }
const storeWith = (limits = AMPLE) => new Store(limits, new LabelCounter())

/** Keeps a reply at once; true if that may be. */
function keep(store: Store, variant: string, key: string, reply = 'r', until = Infinity): boolean {
  const reservation = store.reserve(variant, key)
  if (reservation !== null) store.keep(reservation, reply, until)
  return reservation !== null
}

describe('keepable commands', () => {
  const specs = new CommandTable()
  const keepable = Array.from({ length: specs.size }, (_, id) => specs.byId(id)).filter(isKeepable)

  it('only read, and have a key in first place', () => {
    assert.ok(keepable.length > 40)
    for (const { name, flags, keySpecs } of keepable) {
      assert.ok((flags & Flag.readonly) !== 0 && (flags & (Flag.write | Flag.blocking)) === 0, name)
      assert.deepEqual([keySpecs.length, keySpecs[0].begin], [1, { kind: 'index', index: 1 }], name)
    }
  })
})

describe('the store of replies', () => {
  it('finds what was kept until its time is over', () => {
    const store = storeWith()
    assert.ok(keep(store, 'GET k', 'k', 'r', 100))
    assert.equal(store.find('GET k', 99), 'r')
    assert.equal(store.find('GET k', 100), null)
    assert.equal(store.size, 0)
  })

  it('keeps nothing of a key that changes while the reply is on its way', () => {
    for (const change of [(store: Store) => store.void('k', 'redis'), (store: Store) => store.voidAll('lost')]) {
      const store = storeWith()
      const reservation = store.reserve('GET k', 'k')!
      change(store)
      // Another read is sent behind the change.
      assert.ok(keep(store, 'GET k', 'k', 'new'))
      store.keep(reservation, 'old', Infinity)
      store.release(reservation)
      assert.equal(store.find('GET k', 0), 'new')
      store.void('k', 'redis')
      assert.equal(store.find('GET k', 0), null)
    }
  })

  it('keeps nothing of a key while a write to it is on its way', () => {
    const store = storeWith()
    const writer = { done: false, lost: false }
    const reservation = store.reserve('STRLEN k', 'k')!
    assert.ok(keep(store, 'GET k', 'k'))
    store.written('k', writer)
    store.keep(reservation, 'old', Infinity)
    assert.equal(store.size, 0)
    store.voidAll('lost')
    store.sweep()
    assert.equal(keep(store, 'GET k', 'k'), false)
    assert.ok(keep(store, 'GET j', 'j'))
    writer.done = true
    assert.ok(keep(store, 'GET k', 'k'))
  })

  it('keeps nothing while a write is on its way that names no key, or of too many keys', () => {
    const store = storeWith()
    const [nameless, many] = [
      { done: false, lost: false },
      { done: false, lost: false },
    ]
    assert.ok(keep(store, 'GET k', 'k'))
    store.writtenAnywhere(nameless)
    assert.equal(store.find('GET k', 0), null)
    assert.equal(keep(store, 'GET k', 'k'), false)
    nameless.lost = true
    assert.ok(keep(store, 'GET k', 'k'))
    for (let nth = 0; nth <= 10_000; nth++) store.written(`w${nth}`, many)
    assert.equal(keep(store, 'GET k', 'k'), false)
    many.done = true
    store.sweep()
    assert.ok(keep(store, 'GET k', 'k'))
  })

  it('finds only what was read after the last change, whatever happens in whatever order', () => {
    const keys = fc.constantFrom('a', 'b')
    const variants = fc.constantFrom('GET', 'STRLEN')
    const step = fc.oneof(
      fc.record({ kind: fc.constant('read' as const), key: keys, variant: variants }),
      fc.record({ kind: fc.constant('reply' as const), nth: fc.nat(5) }),
      fc.record({ kind: fc.constant('lose' as const), nth: fc.nat(5) }),
      fc.record({ kind: fc.constant('change' as const), key: keys }),
      fc.record({ kind: fc.constant('write' as const), key: fc.option(keys) }),
      fc.record({ kind: fc.constant('written' as const), nth: fc.nat(3) }),
      fc.record({ kind: fc.constant('drop' as const) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const store = storeWith({ ...AMPLE, maxEntries: 2 })
        /** When each key has changed last, and what is on its way. */
        const changed = new Map([
          ['a', 0],
          ['b', 0],
        ])
        const reads: { reservation: NonNullable<ReturnType<Store['reserve']>>; sent: number }[] = []
        const writes: { writer: { done: boolean; lost: boolean }; keys: string[] }[] = []
        steps.forEach((step, now) => {
          if (step.kind === 'read') {
            const reservation = store.reserve(`${step.variant} ${step.key}`, step.key)
            const written = writes.some(({ keys }) => keys.includes(step.key))
            assert.ok(reservation === null || !written)
            if (reservation !== null) reads.push({ reservation, sent: now })
          } else if (step.kind === 'reply' || step.kind === 'lose') {
            const [read] = reads.splice(step.nth, 1)
            if (read === undefined) return
            if (step.kind === 'lose') store.release(read.reservation)
            else store.keep(read.reservation, `${read.sent}`, Infinity)
          } else if (step.kind === 'written') {
            const [write] = writes.splice(step.nth, 1)
            if (write === undefined) return
            write.writer.done = true
            for (const key of write.keys) changed.set(key, now)
          } else if (step.kind === 'write') {
            const writer = { done: false, lost: false }
            writes.push({ writer, keys: step.key === null ? ['a', 'b'] : [step.key] })
            if (step.key === null) store.writtenAnywhere(writer)
            else store.written(step.key, writer)
          } else {
            const which = step.kind === 'drop' ? ['a', 'b'] : [step.key]
            for (const key of which) changed.set(key, now)
            if (step.kind === 'drop') store.voidAll('lost')
            else store.void(step.key, 'redis')
          }
          for (const [key, at] of changed) {
            for (const variant of ['GET', 'STRLEN']) {
              const found = store.find(`${variant} ${key}`, 0)
              assert.ok(found === null || Number(found) > at || at === 0, `${variant} ${key}: ${found} after ${at}`)
            }
          }
        })
      }),
      { numRuns: 500 },
    )
  })

  it('takes no more memory than it accounts for', () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const used = () => {
      collect()
      return process.memoryUsage().heapUsed
    }
    const store = storeWith()
    const before = used()
    for (let nth = 0; nth < 30_000; nth++) {
      const key = Buffer.from(`c:key:${nth}`).toString('latin1')
      const text = (of: string) => Buffer.from(of).toString('latin1')
      keep(store, text(`0 0 2 *2\r\n$3\r\nGET\r\n$11\r\n${key}\r\n`), key, text(`$40\r\n${'v'.repeat(40)}\r\n`))
    }
    const taken = used() - before
    assert.ok(taken <= store.bytes, `${taken} bytes, accounted for ${store.bytes}`)
    assert.ok(taken > store.bytes / 4, `${taken} bytes, accounted for ${store.bytes}`)
    assert.equal(store.size, 30_000)
  })
})
