/**
 * The corpus's commands in a random order on a cluster, as in shuffled.test.ts: the replies are those of a single Redis, but for what a
 * cluster refuses and for the differences that are listed. CONFORMANCE_SEED=n repeats a run.
 */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { after, before, test } from 'node:test'
import { Cleanup } from '../integration/support.ts'
import { CLUSTER_DIFFERENCES, FAILING_TRANSACTION } from './cluster-differences.ts'
import { startSides, type Sides } from './cluster-side.ts'
import type { Protocol } from './corpus/script.ts'
import { Comparison } from './differences.ts'
import { Random } from './garble.ts'
import { play } from './play.ts'
import { anyMode, shuffled, STEPS } from './shuffle.ts'

const SEQUENCES = 150

/** Within a transaction only a node can tell whether it knows the first of these; the second changes what all others may do. */
const LEFT_OUT = /^(SCRIPT SHOW|EVALSHA(_RO)? \S+ 0|[PS]?SUBSCRIBE)/i
const steps = STEPS.filter(({ text }) => !LEFT_OUT.test(text))

const cleanup = new Cleanup()
let sides: Sides

before(async () => {
  sides = await startSides(cleanup)
})
after(() => cleanup.run())

test('commands in random order are answered as by a single Redis', async (context) => {
  const seed = Number(process.env['CONFORMANCE_SEED'] ?? randomInt(2 ** 31))
  context.diagnostic(`CONFORMANCE_SEED=${seed}, ${steps.length} commands to choose from`)
  const random = new Random(seed)
  const comparison = new Comparison([FAILING_TRANSACTION, ...CLUSTER_DIFFERENCES])
  for (let nth = 0; nth < SEQUENCES; nth++) {
    const script = shuffled(random, steps)
    const protocol = random.pick<Protocol>([2, 3])
    const mode = anyMode(random)
    const expected = await sides.reference.play(sides.direct, script, protocol)
    const outcome = await play(sides.proxied, script, protocol, mode)
    const differences = comparison.between(expected.steps, protocol, expected.outcome, outcome)
    const sequence = script.steps.map((step) => step.text).join('\n    ')
    const where = `seed ${seed}, sequence ${nth}, RESP${protocol}, ${mode.name}`
    assert.ok(differences.length === 0, [where, ...differences, '  after', `    ${sequence}`].join('\n'))
  }
})
