/**
 * The corpus's commands in a random order, so that each meets states of the session that no script thought of: the
 * replies through respool are those of a direct connection. CONFORMANCE_SEED=n repeats a run.
 */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { after, before, test } from 'node:test'
import { RawClient } from '../helpers/raw.ts'
import { startRedis } from '../helpers/redis.ts'
import { startRespool } from '../helpers/respool.ts'
import type { Protocol } from './corpus/script.ts'
import { Comparison } from './differences.ts'
import { Random } from './garble.ts'
import { OtherClient, play, stepsOf, type Side } from './play.ts'
import { anyMode, shuffled, STEPS } from './shuffle.ts'

const SELF_CHECK = process.env['CONFORMANCE_SELF_CHECK'] === '1'
const SEQUENCES = 400

let direct: Side
let proxied: Side
const stops: (() => unknown)[] = []

before(async () => {
  const server = await startRedis({ args: ['--hz', '100'] })
  const twin = await startRedis({ args: ['--hz', '100'] })
  stops.push(
    () => server.stop(),
    () => twin.stop(),
  )
  direct = await sideOf(server.port, server.port)
  proxied = await sideOf(SELF_CHECK ? twin.port : await startProxy(twin.url), twin.port)
})

after(async () => {
  for (const stop of stops.reverse()) await stop()
})

test('commands in random order are answered as directly', async (context) => {
  const seed = Number(process.env['CONFORMANCE_SEED'] ?? randomInt(2 ** 31))
  context.diagnostic(`CONFORMANCE_SEED=${seed}, ${STEPS.length} commands to choose from`)
  const random = new Random(seed)
  const comparison = new Comparison()
  for (let nth = 0; nth < SEQUENCES; nth++) {
    const script = shuffled(random, STEPS)
    const protocol = random.pick<Protocol>([2, 3])
    const mode = anyMode(random)
    const expected = await play(direct, script, protocol, { name: 'pipelined' })
    const outcome = await play(proxied, script, protocol, mode)
    const differences = comparison.between(stepsOf(script, protocol), protocol, expected, outcome)
    const sequence = script.steps.map((step) => step.text).join('\n    ')
    const where = `seed ${seed}, sequence ${nth}, RESP${protocol}, ${mode.name}`
    assert.ok(differences.length === 0, [where, ...differences, '  after', `    ${sequence}`].join('\n'))
  }
})

async function startProxy(upstream: string): Promise<number> {
  const respool = await startRespool({ upstream })
  stops.push(() => respool.stop())
  return respool.port
}

async function sideOf(port: number, serverPort: number): Promise<Side> {
  const other = await OtherClient.connect(serverPort)
  const pacer = await RawClient.connect(port)
  stops.push(
    () => other.close(),
    () => pacer.close(),
  )
  return { port, other, pacer }
}
