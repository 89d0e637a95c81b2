/**
 * Many sessions at the same time, each with random stateful commands on names of its own: what each hears through respool
 * is what it hears on a direct connection. INTERLEAVED_SEED=n repeats a run, INTERLEAVED_ROUNDS=n makes it longer.
 */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { after, before, test } from 'node:test'
import { RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool } from '../helpers/respool.ts'
import type { Protocol } from './corpus/script.ts'
import { Random } from './garble.ts'
import { describeSteps, differenceOf, reference, replay } from './stateful-play.ts'
import { statefulSteps, type StatefulStep } from './stateful-steps.ts'

const SELF_CHECK = process.env['CONFORMANCE_SELF_CHECK'] === '1'
const SESSIONS = 50
const ROUNDS = Number(process.env['INTERLEAVED_ROUNDS'] ?? 10)
const LONGEST = 40
/** Attempts to play a part of a failed script alone. */
const MOST_SHRINKS = 400

let direct: RedisServer
let behind: RedisServer
let port: number
const stops: (() => unknown)[] = []

before(async () => {
  ;[direct, behind] = await Promise.all([startRedis({ args: ['--hz', '100'] }), startRedis({ args: ['--hz', '100'] })])
  stops.push(
    () => direct.stop(),
    () => behind.stop(),
  )
  if (SELF_CHECK) return void (port = behind.port)
  // Every session may want a connection of its own.
  const config = { pool: { leases: { max: 4 * SESSIONS } } }
  const respool = await startRespool({ upstream: behind.url, config })
  stops.push(() => respool.stop())
  port = respool.port
})

after(async () => {
  for (const stop of stops.reverse()) await stop()
})

test(`${SESSIONS} sessions at the same time are each answered as directly`, { timeout: 300_000 }, async (context) => {
  const seed = Number(process.env['INTERLEAVED_SEED'] ?? randomInt(2 ** 31))
  context.diagnostic(`INTERLEAVED_SEED=${seed}`)
  const random = new Random(seed)
  let [steps, frames] = [0, 0]
  for (let round = 0; round < ROUNDS; round++) {
    const sessions = Array.from({ length: SESSIONS }, (_, nth) => ({
      protocol: random.pick<Protocol>([2, 3]),
      steps: statefulSteps(`s${nth}:`, 5 + random.below(LONGEST), random),
      random: new Random(random.below(2 ** 31)),
    }))
    await empty()
    const scripts = await Promise.all(
      sessions.map((session) => reference(direct.port, session.steps, session.protocol)),
    )
    const heard = await Promise.all(
      scripts.map((script, nth) => replay(port, behind.port, script, sessions[nth].random)),
    )
    for (const [nth, script] of scripts.entries()) {
      steps += script.steps.length
      frames += script.frames.at(-1) ?? 0
      const difference = differenceOf(script.heard, heard[nth])
      if (difference === '') continue
      const least = await shrunk(sessions[nth].steps, script.protocol)
      const where = `seed ${seed}, round ${round}, session ${nth}, RESP${script.protocol}`
      assert.fail([where, difference, least].join('\n'))
    }
  }
  context.diagnostic(`${steps} steps, ${frames} frames`)
})

async function empty(): Promise<void> {
  for (const server of [direct, behind]) {
    const client = await RawClient.connect(server.port)
    await client.call('FLUSHALL')
    client.close()
  }
}

/** The least part of a script that still fails when it is played alone, in words. */
async function shrunk(steps: readonly StatefulStep[], protocol: Protocol): Promise<string> {
  const fails = async (part: readonly StatefulStep[]) => {
    await empty()
    const script = await reference(direct.port, part, protocol)
    for (let seed = 1; seed <= 12; seed++) {
      await empty()
      const difference = differenceOf(script.heard, await replay(port, behind.port, script, new Random(seed)))
      if (difference !== '') return difference
    }
    return ''
  }
  let difference = await fails(steps)
  if (difference === '') return `  only beside others:\n${describeSteps(steps)}`
  let least = steps
  let tries = 0
  for (let size = Math.ceil(least.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < least.length && tries < MOST_SHRINKS; tries++) {
      const part = least.toSpliced(at, size)
      const found = await fails(part)
      if (found === '') at += size
      else [least, difference] = [part, found]
    }
  }
  return `  alone, RESP${protocol}: ${difference}\n${describeSteps(least)}`
}
