import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StateMachine } from '../../src/util/state-machine.js'

type Light = 'red' | 'green' | 'off'
const MOVES: Record<Light, readonly Light[]> = { red: ['green', 'off'], green: ['red', 'off'], off: [] }

test('the moves of the table are made, and no others', () => {
  for (const from of Object.keys(MOVES) as Light[]) {
    for (const to of Object.keys(MOVES) as Light[]) {
      const machine = new StateMachine<Light>(MOVES, from)
      const listed = MOVES[from].includes(to)
      assert.equal(machine.can(to), listed)
      assert.equal(machine.current, from, 'asking moves nothing')
      if (listed) {
        machine.to(to)
        assert.equal(machine.current, to)
      } else {
        assert.throws(() => machine.to(to), new RegExp(`illegal move from ${from} to ${to}`))
        assert.equal(machine.current, from, 'a refused move changes nothing')
      }
    }
  }
})

test('a state leads to itself only if the table says so', () => {
  assert.throws(() => new StateMachine<Light>(MOVES, 'red').to('red'))
  new StateMachine({ on: ['on'] }, 'on').to('on')
})
