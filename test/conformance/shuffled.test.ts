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
import { corpus } from './corpus/index.ts'
import type { Protocol, Script, Step } from './corpus/script.ts'
import { Comparison } from './differences.ts'
import { Random } from './garble.ts'
import { OtherClient, play, stepsOf, type Mode, type Side } from './play.ts'

const SELF_CHECK = process.env['CONFORMANCE_SELF_CHECK'] === '1'
const SEQUENCES = 400
const LONGEST = 60

/** Families whose commands change or show more than one session, or end it. */
const LEFT_OUT = ['server', 'inline', 'protocol', 'sizes', 'pub/sub']
/** Replies that depend on chance, on time or on the hash tables of a server, once other commands have gone before. */
const UNSTEADY =
  /^(SPOP|[SZ]RANDMEMBER|HRANDFIELD|RANDOMKEY|KEYS|S?SCAN|SMEMBERS|SUNION|SINTER|SDIFF|SORT|P?TTL|P?EXPIRETIME|DUMP|MEMORY|XADD s 1-\*)/i
const TIMED = /^(XINFO|XREADGROUP|XCLAIM|XAUTOCLAIM|XPENDING|WAIT|FUNCTION (LIST|DUMP|STATS)|MIGRATE)/i
/** Changes the number of replies, the session's fields that differ on purpose, or other sessions. */
const OF_THE_CONNECTION = /^(CLIENT (?!SETNAME|GETNAME|NO-EVICT)|HELLO|QUIT|AUTH|ACL|DEBUG|SHUTDOWN|SCRIPT DEBUG)/i
/** Differ on purpose wherever scripts were flushed: test/integration/scripts.test.ts calls scripts in random order. */
const OF_SCRIPTS = /^(EVALSHA|EVALSHA_RO|SCRIPT EXISTS) e0e1f9fabfc9d4800c877a703b823ac0578ff8db/i
/** May wait longer than a test has time for. */
const BLOCKING = /^(B[LRZ]|XREAD .*BLOCK)(?!.* 0\.01( |$))/i
const SESSION_STATE = /^(MULTI|EXEC|DISCARD|WATCH|UNWATCH|SELECT \d|RESET|CLIENT|BLPOP)/i

const steps = corpus
  .filter((family) => !LEFT_OUT.includes(family.name))
  .flatMap((family) => family.scripts)
  .filter((script) => script.only === undefined && !script.closes && !script.waits)
  .flatMap((script) => script.steps)
  .filter((step) => step.replies === 1 && step.args !== undefined && step.bytes.length < 500)
  .filter(
    ({ text }) => ![UNSTEADY, TIMED, OF_THE_CONNECTION, OF_SCRIPTS, BLOCKING].some((pattern) => pattern.test(text)),
  )
const stateful = steps.filter(({ text }) => SESSION_STATE.test(text))

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
  context.diagnostic(`CONFORMANCE_SEED=${seed}, ${steps.length} commands to choose from`)
  const random = new Random(seed)
  const comparison = new Comparison()
  for (let nth = 0; nth < SEQUENCES; nth++) {
    const script = shuffled(random)
    const protocol = random.pick<Protocol>([2, 3])
    const mode = random.pick<Mode>([
      { name: 'step by step' },
      { name: 'pipelined' },
      { name: 'cut in two', at: 1 + random.below(1000) },
    ])
    const expected = await play(direct, script, protocol, { name: 'pipelined' })
    const outcome = await play(proxied, script, protocol, mode)
    const differences = comparison.between(stepsOf(script, protocol), protocol, expected, outcome)
    const sequence = script.steps.map((step) => step.text).join('\n    ')
    const where = `seed ${seed}, sequence ${nth}, RESP${protocol}, ${mode.name}`
    assert.ok(differences.length === 0, [where, ...differences, '  after', `    ${sequence}`].join('\n'))
  }
})

function shuffled(random: Random): Script {
  const length = 5 + random.below(LONGEST - 5)
  const pick = (): Step => random.pick(random.below(3) === 0 ? stateful : steps)
  return { name: 'shuffled', steps: Array.from({ length }, pick), only: undefined, closes: false, waits: false }
}

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
