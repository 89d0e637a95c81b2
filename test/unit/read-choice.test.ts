/** Which of several servers is read from, and for how long a session reads its own writes from the primary. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ReadPreference } from '../../src/config/config.ts'
import type { ErrorCode } from '../../src/errors.ts'
import { RecentWrites } from '../../src/dispatch/reads/recent.ts'
import { chooseReader, noteNearest } from '../../src/routing/choice.ts'
import { Fitness } from '../../src/upstream/fitness.ts'

const NOW = 50_000

class Server {
  readonly fitness = new Fitness()
  downSince: number | null = null
  outage: ErrorCode | null = null

  constructor(readonly name: string) {}

  /** Lost just now, or so long ago that waiting for it makes no sense. */
  lost(long = false): this {
    this.downSince = NOW
    this.outage = long ? 'upstreamDown' : null
    return this
  }

  at(latency: number): this {
    this.fitness.measured(latency)
    return this
  }
}

describe('the server to read from', () => {
  const choose = (preference: ReadPreference, primary: Server | null, replicas: Server[], seat = 0) =>
    chooseReader(preference, primary, replicas, seat, NOW)?.name ?? null
  const servers = () => ['p', 'a', 'b'].map((name) => new Server(name))

  it('is the primary, where that is what is wanted', () => {
    const [p, a, b] = servers()
    assert.equal(choose('primary', p.lost(), [a, b]), 'p')
  })

  it('is always the same replica for the same seat, and others go on when one is lost', () => {
    const [p, a, b] = servers()
    for (const preference of ['prefer-replica', 'replica'] as const) {
      assert.deepEqual(
        [0, 1, 2, 3].map((seat) => choose(preference, p, [a, b], seat)),
        ['a', 'b', 'a', 'b'],
      )
    }
    a.lost()
    assert.deepEqual(
      [0, 1, 2, 3].map((seat) => choose('prefer-replica', p, [a, b], seat)),
      ['b', 'b', 'b', 'b'],
    )
  })

  it('is the primary when no replica is up, but only if that may be', () => {
    const [p, a, b] = servers()
    assert.equal(choose('prefer-replica', p, []), 'p')
    assert.equal(choose('replica', p, []), null)
    a.lost(true)
    b.lost()
    assert.equal(choose('prefer-replica', p, [a, b]), 'p')
    assert.equal(choose('replica', p, [a, b]), 'b', 'it may be back soon')
    b.lost(true)
    assert.equal(choose('replica', p, [a, b]), null)
    assert.equal(choose('random', null, [a, b]), null)
  })

  it('is not one that has just refused, unless there is no other', () => {
    const [p, a, b] = servers()
    a.fitness.avoid(NOW - 10)
    assert.equal(choose('replica', p, [a, b]), 'b')
    assert.equal(choose('prefer-replica', p, [a]), 'p')
    assert.equal(choose('replica', p, [a]), 'a')
    assert.equal(chooseReader('replica', p, [a, b], 0, NOW + 5000), a)
  })

  it('may be any of them by chance, the primary included if it is given', () => {
    const [p, a, b] = servers()
    assert.deepEqual(
      [0, 1, 2].map((seat) => choose('random', p, [a, b], seat)),
      ['a', 'b', 'p'],
    )
    assert.deepEqual(
      [0, 1, 2].map((seat) => choose('random', null, [a, b], seat)),
      ['a', 'b', 'a'],
    )
  })

  it('is the nearest, or one as near, and stays so until it is clearly worse', () => {
    const [p, a, b] = servers()
    const all = [p.at(5), a.at(1), b.at(1.1)]
    const nearest = () => [...new Set([0, 1, 2].map((seat) => choose('nearest', p, [a, b], seat)))]
    assert.deepEqual(nearest(), ['a', 'b', 'p'], 'nothing is known yet')
    noteNearest(all)
    assert.deepEqual(nearest(), ['a', 'b'])
    for (let i = 0; i < 20; i++) b.at(1.6)
    noteNearest(all)
    assert.deepEqual(nearest(), ['a', 'b'], 'a little worse')
    for (let i = 0; i < 20; i++) b.at(4)
    noteNearest(all)
    assert.deepEqual(nearest(), ['a'])
    for (let i = 0; i < 20; i++) b.at(1.6)
    noteNearest(all)
    assert.deepEqual(nearest(), ['a'], 'not good enough to come back')
    a.lost()
    noteNearest(all)
    assert.deepEqual(nearest(), ['b'])
  })
})

describe('what a session has written', () => {
  it('concerns its slot for a time', () => {
    const recent = new RecentWrites(1000)
    assert.equal(recent.concern(7, 0), false)
    recent.note(7, 100)
    assert.equal(recent.concern(7, 1099), true)
    assert.equal(recent.concern(8, 100), false)
    assert.equal(recent.concern(-1, 1099), true, 'what reads all slots')
    assert.equal(recent.concern(7, 1100), false)
    assert.equal(recent.concern(-1, 1100), false)
  })

  it('concerns all slots if it is not known where it was', () => {
    const recent = new RecentWrites(1000)
    recent.note(-1, 100)
    assert.equal(recent.concern(7, 1099), true)
    assert.equal(recent.concern(7, 1100), false)
  })

  it('is never forgotten before its time, however many slots there are', () => {
    const recent = new RecentWrites(1000)
    for (let slot = 0; slot < 2000; slot++) recent.note(slot, slot)
    for (let slot = 0; slot < 2000; slot++)
      if (slot > 1000) assert.equal(recent.concern(slot, 2000), true, `slot ${slot}`)
    assert.equal(recent.concern(1999, 2998), true)
    assert.equal(recent.concern(500, 2999), false)
  })
})
