/** What the applications of one listener may use together. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { Allowance, type Paced } from '../../src/downstream/allowance.ts'
import { TurnClock } from '../../src/util/clock.ts'
import { check } from './property.ts'

const ANY = { connections: 0, commandsPerSecond: 0, bufferedBytes: 0 }

/** Somebody who is held, until released. */
class Held implements Paced {
  held: string | null = 'paced'

  unhold(): void {
    this.held = null
  }
}

it('what has no limit is never full, scarce or used up', () => {
  const allowance = new Allowance(ANY, new TurnClock(() => 0))
  allowance.connections = allowance.bytes = 1e12
  assert.deepEqual([allowance.full, allowance.scarce, allowance.spend(1e12)], [null, false, true])
})

it('connections and bytes are allowed up to their limits', () => {
  const allowance = new Allowance({ ...ANY, connections: 2, bufferedBytes: 100 }, new TurnClock(() => 0))
  allowance.connections = 1
  allowance.bytes = 100
  assert.deepEqual([allowance.full, allowance.scarce, allowance.hasRoom(1)], [null, false, false])
  allowance.connections = 2
  allowance.bytes = 101
  assert.deepEqual([allowance.full, allowance.scarce], [2, true])
})

it('in any stretch of time no more commands are taken than the rate and one burst allow, and one read on top', (t) => {
  const read = fc.record({ passed: fc.nat(3000), commands: fc.integer({ min: 1, max: 500 }) })
  return check(
    t,
    300,
    fc.property(fc.integer({ min: 1, max: 1000 }), fc.array(read, { minLength: 1 }), (rate, reads) => {
      let now = 0
      let taken = 0
      let free = true
      const clock = new TurnClock(() => now)
      const allowance = new Allowance({ ...ANY, commandsPerSecond: rate }, clock)
      for (const { passed, commands } of reads) {
        now += passed
        clock.tick()
        // Only who has been released sends more.
        if (!free && !(free = allowance.spend(0))) continue
        assert.ok(taken <= rate + (rate * now) / 1000 + 1e-6, `${taken} commands in ${now} ms`)
        taken += commands
        free = allowance.spend(commands)
      }
    }),
  )
})

it('who has to wait goes on when the debt is paid, also what others run up meanwhile, and nobody before', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let now = 0
  const clock = new TurnClock(() => now)
  const allowance = new Allowance({ ...ANY, commandsPerSecond: 100 }, clock)
  const pass = (ms: number) => {
    now += ms
    clock.tick()
    t.mock.timers.tick(ms)
  }
  const [first, second] = [new Held(), new Held()]
  assert.equal(allowance.spend(200), false)
  allowance.wait(first)
  pass(500)
  assert.equal(allowance.spend(50), false)
  allowance.wait(second)
  pass(600)
  assert.deepEqual([first.held, second.held], ['paced', 'paced'])
  pass(500)
  assert.deepEqual([first.held, second.held], [null, null])
})

it('whoever waits is released when the limit is lifted, and left alone if it waits for something else by then', () => {
  const allowance = new Allowance({ ...ANY, commandsPerSecond: 1 }, new TurnClock(() => 0))
  const [paced, other] = [new Held(), new Held()]
  allowance.spend(1000)
  for (const one of [paced, other]) allowance.wait(one)
  other.held = 'lease'
  allowance.apply(ANY)
  assert.deepEqual([paced.held, other.held], [null, 'lease'])
})
