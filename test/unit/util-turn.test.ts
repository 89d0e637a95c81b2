import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Phase, TurnQueue, type TurnTask } from '../../src/util/turn.js'
import { until } from '../helpers/waiting.ts'

const task = (run: () => void): TurnTask => ({ queued: false, run })

test('phases run in their order, tasks of a phase in theirs, and nothing before the turn ends', async () => {
  const turns = new TurnQueue()
  const ran: string[] = []
  const order: [Phase, string][] = [
    ['upstream', 'u1'],
    ['resume', 'r1'],
    ['downstream', 'd1'],
    ['upstream', 'u2'],
    ['downstream', 'd2'],
  ]
  for (const [phase, name] of order)
    turns.add(
      phase,
      task(() => ran.push(name)),
    )
  await Promise.resolve()
  assert.deepEqual(ran, [])
  await nextTurn()
  assert.deepEqual(ran, ['d1', 'd2', 'r1', 'u1', 'u2'])
})

test('a task runs once a turn, however often it is added', async () => {
  const turns = new TurnQueue()
  let runs = 0
  const counting = task(() => runs++)
  for (let i = 0; i < 3; i++) turns.add('upstream', counting)
  assert.equal(counting.queued, true)
  await nextTurn()
  assert.equal(runs, 1)
  assert.equal(counting.queued, false)
  turns.add('upstream', counting)
  await nextTurn()
  assert.equal(runs, 2)
})

test('what a task adds for a later phase runs in the same turn, for its own or an earlier one in the next', async () => {
  const turns = new TurnQueue()
  const ran: string[] = []
  const add = (phase: Phase, name: string, then: () => void = () => undefined) =>
    turns.add(
      phase,
      task(() => {
        ran.push(name)
        then()
      }),
    )
  add('resume', 'resume', () => {
    add('upstream', 'later phase')
    add('resume', 'own phase')
    add('downstream', 'earlier phase')
  })
  await nextTurn()
  assert.deepEqual(ran, ['resume', 'later phase'])
  await nextTurn()
  assert.deepEqual(ran.slice(2), ['earlier phase', 'own phase'])
})

test('a task may add itself again, for the next turn', async () => {
  const turns = new TurnQueue()
  let runs = 0
  const again = task(() => {
    if (++runs < 3) turns.add('downstream', again)
  })
  turns.add('downstream', again)
  for (const expected of [1, 2, 3, 3]) {
    await nextTurn()
    assert.equal(runs, expected)
  }
})

test('a task that lingers runs at the end of the turn in which something has come, and without that soon', async () => {
  const turns = new TurnQueue()
  const ran: string[] = []
  const lingering = ['a', 'b'].map((name) => task(() => ran.push(name)))
  for (const one of lingering) turns.linger(one)
  turns.add('downstream', lingering[0])
  await nextTurn()
  assert.deepEqual(ran, [])
  turns.stir()
  assert.deepEqual(ran, [])
  await nextTurn()
  assert.deepEqual(ran, ['a', 'b'])
  turns.linger(lingering[1])
  await until(() => ran.length === 3, 'it runs')
  assert.deepEqual(
    lingering.map(({ queued }) => queued),
    [false, false],
  )
})

function bring(turns: TurnQueue, work: TurnTask) {
  turns.beginRead()
  turns.add('downstream', work)
  turns.endRead()
}

test('while turns bring a single read its work follows it at once, but for a turn now and then', async () => {
  const turns = new TurnQueue()
  let runs = 0
  const counting = task(() => runs++)
  const read = () => bring(turns, counting)
  const atOnce: boolean[] = []
  for (let turn = 0; turn < 128; turn++) {
    read()
    atOnce.push(runs === turn + 1)
    await nextTurn()
    assert.equal(runs, turn + 1)
  }
  assert.ok(!atOnce.slice(0, 64).includes(true))
  assert.equal(atOnce.slice(64).filter((now) => !now).length, 16)
})

test('one turn with several reads makes them wait for its end again', async () => {
  const turns = new TurnQueue()
  let runs = 0
  const counting = task(() => runs++)
  const read = () => bring(turns, counting)
  for (let turn = 0; turn < 70; turn++) {
    read()
    await nextTurn()
  }
  runs = 0
  for (let i = 0; i < 40; i++) read()
  await nextTurn()
  const during = runs
  assert.ok(during < 5)
  for (let i = 0; i < 40; i++) read()
  assert.equal(runs, during)
  await nextTurn()
  assert.equal(runs, during + 1)
})

test('nothing runs inside a read, and what its work adds for an earlier phase runs in the next turn', async () => {
  const turns = new TurnQueue()
  const ran: string[] = []
  const later = task(() => ran.push('later'))
  const now = task(() => {
    ran.push('now')
    turns.add('downstream', later)
  })
  const read = () => {
    turns.beginRead()
    turns.add('upstream', now)
    ran.push('read')
    turns.endRead()
  }
  for (let turn = 0; turn < 70; turn++) {
    ran.length = 0
    read()
    await nextTurn()
    await nextTurn()
    assert.deepEqual(ran, ['read', 'now', 'later'])
  }
})
