/** The checks of histories: what they must find bad, and that they say the same as trying all orders. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { CounterHistory } from './counter-history.ts'
import { RegisterHistory } from './register-history.ts'

type Step = [name: 'count' | 'read' | 'lost', value: number, start: number, end: number]

function counter(steps: Step[], final: number): string[] {
  const history = new CounterHistory('n')
  for (const [name, value, start, end] of steps) {
    if (name === 'count') history.counted(value, start, end)
    else if (name === 'read') history.read(value, start, end)
    else history.unknown(start)
  }
  return history.check(final).map(({ kind }) => kind)
}

describe('a history of a counter', () => {
  const cases: [about: string, steps: Step[], final: number, found: string[]][] = [
    [
      'in turn',
      [
        ['count', 1, 0, 1],
        ['count', 2, 2, 3],
        ['read', 2, 4, 5],
      ],
      2,
      [],
    ],
    [
      'at the same time, in any order',
      [
        ['count', 2, 0, 5],
        ['count', 1, 1, 4],
        ['read', 1, 1, 5],
      ],
      2,
      [],
    ],
    [
      'one without an answer that happened',
      [
        ['lost', 0, 1, 0],
        ['count', 2, 2, 3],
      ],
      2,
      [],
    ],
    [
      'one without an answer that never did',
      [
        ['lost', 0, 1, 0],
        ['count', 1, 2, 3],
      ],
      1,
      [],
    ],
    [
      'one without an answer that happened late',
      [
        ['lost', 0, 0, 0],
        ['count', 1, 1, 2],
        ['read', 2, 3, 4],
      ],
      2,
      [],
    ],
    [
      'two were told the same',
      [
        ['count', 1, 0, 2],
        ['count', 1, 1, 3],
      ],
      1,
      ['doubled'],
    ],
    ['done twice', [['count', 2, 0, 1]], 2, ['doubled']],
    ['done twice, seen in the end', [['count', 1, 0, 1]], 2, ['doubled']],
    [
      'one without an answer that was sent too late',
      [
        ['count', 2, 0, 1],
        ['lost', 0, 2, 0],
      ],
      2,
      ['doubled'],
    ],
    [
      'one without an answer cannot be two',
      [
        ['lost', 0, 0, 0],
        ['count', 3, 1, 2],
      ],
      3,
      ['doubled'],
    ],
    [
      'a lower number later',
      [
        ['count', 2, 0, 1],
        ['count', 1, 2, 3],
      ],
      2,
      ['reordered'],
    ],
    [
      'a stale read',
      [
        ['count', 1, 0, 1],
        ['read', 0, 2, 3],
      ],
      1,
      ['reordered'],
    ],
    [
      'a read of what was not yet asked for',
      [
        ['read', 1, 0, 1],
        ['count', 1, 2, 3],
      ],
      1,
      ['reordered'],
    ],
    [
      'gone in the end',
      [
        ['count', 1, 0, 1],
        ['count', 2, 2, 3],
      ],
      1,
      ['lost'],
    ],
  ]
  for (const [about, steps, final, found] of cases) {
    it(`${found.length === 0 ? 'good' : found.join()}: ${about}`, () => assert.deepEqual(counter(steps, final), found))
  }

  it('is found good exactly if there is an order that explains it', () => {
    check((steps, final) => {
      const expected = explained(0, steps, final, (state, [name, value]) => {
        if (name === 'read') return state === value ? state : null
        return name === 'lost' || state + 1 === value ? state + 1 : null
      })
      assert.equal(counter(steps, final).length === 0, expected)
    })
  })
})

function register(steps: Step[], final: number): string[] {
  const history = new RegisterHistory('r')
  const text = (value: number) => (value === 0 ? null : `v${value}`)
  for (const [name, value, start, end] of steps) {
    if (name === 'read') history.read(text(value), start, end)
    else history.wrote(`v${value}`, start, name === 'lost' ? Infinity : end)
  }
  return history.check(text(final), 1000).map(({ kind }) => kind)
}

describe('a history of a register', () => {
  const cases: [about: string, steps: Step[], final: number, found: string[]][] = [
    [
      'in turn',
      [
        ['read', 0, 0, 1],
        ['count', 1, 2, 3],
        ['read', 1, 4, 5],
      ],
      1,
      [],
    ],
    [
      'two writes at a time',
      [
        ['count', 1, 0, 5],
        ['count', 2, 1, 4],
        ['read', 1, 6, 7],
      ],
      1,
      [],
    ],
    [
      'without an answer, but read',
      [
        ['lost', 1, 0, 0],
        ['read', 0, 1, 2],
        ['read', 1, 3, 4],
      ],
      1,
      [],
    ],
    [
      'without an answer, and late',
      [
        ['lost', 1, 0, 0],
        ['count', 2, 1, 2],
        ['read', 2, 3, 4],
        ['read', 1, 5, 6],
      ],
      1,
      [],
    ],
    [
      'without an answer, and not there',
      [
        ['lost', 1, 0, 0],
        ['count', 2, 1, 2],
      ],
      2,
      [],
    ],
    [
      'a value of nobody',
      [
        ['count', 1, 0, 1],
        ['read', 7, 2, 3],
      ],
      1,
      ['crossed'],
    ],
    [
      'a value before it was written',
      [
        ['read', 1, 0, 1],
        ['count', 1, 2, 3],
      ],
      1,
      ['crossed'],
    ],
    [
      'a stale read',
      [
        ['count', 1, 0, 1],
        ['count', 2, 2, 3],
        ['read', 1, 4, 5],
        ['read', 2, 6, 7],
      ],
      2,
      ['lost'],
    ],
    [
      'back and forth',
      [
        ['count', 1, 0, 9],
        ['count', 2, 0, 9],
        ['read', 1, 1, 2],
        ['read', 2, 3, 4],
        ['read', 1, 5, 6],
        ['count', 3, 10, 11],
      ],
      3,
      ['reordered'],
    ],
    [
      'gone in the end',
      [
        ['count', 1, 0, 1],
        ['count', 2, 2, 3],
      ],
      1,
      ['lost'],
    ],
    ['nothing in the end', [['count', 1, 0, 1]], 0, ['lost']],
  ]
  for (const [about, steps, final, found] of cases) {
    it(`${found.length === 0 ? 'good' : found.join()}: ${about}`, () => assert.deepEqual(register(steps, final), found))
  }

  it('is found good exactly if there is an order that explains it', () => {
    check((given, final) => {
      // No value is written twice.
      const steps = given.map((step, nth): Step => (step[0] === 'read' ? step : [step[0], nth + 1, step[2], step[3]]))
      const expected = explained(0, steps, final, (state, [name, value]) => {
        if (name === 'read') return state === value ? state : null
        return value
      })
      assert.equal(register(steps, final).length === 0, expected)
    })
  })
})

/** Histories of up to six steps; times are small numbers, so that many of them overlap. */
function check(judge: (steps: Step[], final: number) => void): void {
  const step = fc
    .tuple(
      fc.constantFrom('count' as const, 'read' as const, 'lost' as const),
      fc.nat(4),
      fc.nat(12),
      fc.integer({ min: 1, max: 8 }),
    )
    .map(([name, value, start, length]): Step => [name, value, start, start + length])
  fc.assert(fc.property(fc.array(step, { maxLength: 6 }), fc.nat(5), judge), { numRuns: 20_000 })
}

/** Tries all orders: whoever ended before another began comes first; those without an answer may be left out. */
function explained(
  state: number,
  left: Step[],
  final: number,
  apply: (state: number, step: Step) => number | null,
): boolean {
  if (state === final && left.every(([name]) => name === 'lost')) return true
  return left.some((step) => {
    if (left.some(([name, , , end]) => name !== 'lost' && end < step[2])) return false
    const next = apply(state, step)
    const others = left.filter((other) => other !== step)
    return next !== null && explained(next, others, final, apply)
  })
}
