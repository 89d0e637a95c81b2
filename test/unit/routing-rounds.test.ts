import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { type Outcome, Rounds } from '../../src/routing/rounds.ts'

const DELAYS = { interval: 30_000, minDelay: 50, maxDelay: 800 }

/** Rounds that end when the test says so, on a clock that it turns. */
function setUp(t: TestContext, random = 0.5) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] })
  const ends: ((outcome: Outcome) => void)[] = []
  let running = 0
  const rounds = new Rounds(
    () => {
      assert.equal(++running, 1, 'two at a time')
      return new Promise((resolve) => ends.push(resolve))
    },
    DELAYS,
    () => Date.now(),
    () => random,
  )
  t.after(() => rounds.stop())
  return {
    rounds,
    begun: () => ends.length,
    isRunning: () => running > 0,
    pass: (ms: number) => t.mock.timers.tick(ms),
    end: async (outcome: Outcome) => {
      running--
      ends.at(-1)!(outcome)
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

describe('rounds', () => {
  it('begin when they are asked for, and are one for all who ask before', async (t) => {
    const { rounds, begun, pass, end } = setUp(t)
    for (let i = 0; i < 5; i++) rounds.ask()
    pass(0)
    assert.equal(begun(), 1)
    await end('settled')
    pass(29_999)
    assert.equal(begun(), 1)
    pass(1)
    assert.equal(begun(), 2, 'by interval')
  })

  it('follow one that was going on when they were asked for, a little after it', async (t) => {
    const { rounds, begun, pass, end } = setUp(t)
    rounds.ask()
    pass(0)
    for (let i = 0; i < 5; i++) rounds.ask()
    pass(1000)
    assert.equal(begun(), 1)
    await end('settled')
    pass(149)
    assert.equal(begun(), 1)
    pass(1)
    assert.equal(begun(), 2)
    await end('settled')
    pass(5000)
    assert.equal(begun(), 2, 'all who had asked are served')
  })

  it('keep a distance, however often they are asked for', async (t) => {
    const { rounds, begun, isRunning, pass, end } = setUp(t, 0)
    for (let ms = 0; ms < 1000; ms++) {
      rounds.ask()
      pass(1)
      if (isRunning()) await end('settled')
    }
    assert.equal(begun(), 10)
  })

  it('follow each other soon while something is still to change', async (t) => {
    const { rounds, begun, pass, end } = setUp(t)
    rounds.ask()
    pass(0)
    const delays = []
    for (let nth = 1; nth < 6; nth++) {
      await end('unsettled')
      let ms = 0
      for (; begun() === nth; ms++) pass(1)
      delays.push(ms)
    }
    assert.deepEqual(delays, [150, 300, 375, 375, 375])
  })

  it('grow rarer while nobody can be asked, but not deaf', async (t) => {
    const { rounds, begun, pass, end } = setUp(t)
    rounds.ask()
    pass(0)
    const delays = []
    for (let nth = 1; nth < 7; nth++) {
      await end('failed')
      let ms = 0
      for (; begun() === nth; ms++) pass(1)
      delays.push(ms)
    }
    assert.deepEqual(delays, [38, 75, 150, 300, 600, 600])
    await end('failed')
    rounds.ask()
    pass(150)
    assert.equal(begun(), 8)
  })

  it('end when they are stopped, the one that is going on included', async (t) => {
    const { rounds, begun, pass, end } = setUp(t)
    rounds.ask()
    pass(0)
    rounds.ask()
    rounds.stop()
    await end('settled')
    rounds.ask()
    pass(100_000)
    assert.equal(begun(), 1)
  })
})
