import { corpus } from './corpus/index.ts'
import type { Script, Step } from './corpus/script.ts'
import type { Random } from './garble.ts'
import type { Mode } from './play.ts'

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

/** Whether two servers that have been told the same answer it alike, and at once. */
export function isSteady(text: string): boolean {
  return ![UNSTEADY, TIMED, OF_SCRIPTS, BLOCKING].some((pattern) => pattern.test(text))
}

/** The corpus's commands that can come anywhere. */
export const STEPS: readonly Step[] = corpus
  .filter((family) => !LEFT_OUT.includes(family.name))
  .flatMap((family) => family.scripts)
  .filter((script) => script.only === undefined && !script.closes && !script.waits)
  .flatMap((script) => script.steps)
  .filter((step) => step.replies === 1 && step.args !== undefined && step.bytes.length < 500)
  .filter(({ text }) => isSteady(text) && !OF_THE_CONNECTION.test(text))

/** Some of the steps in random order; those that change the session come more often. */
export function shuffled(random: Random, steps: readonly Step[]): Script {
  const stateful = steps.filter(({ text }) => SESSION_STATE.test(text))
  const length = 5 + random.below(LONGEST - 5)
  const pick = (): Step => random.pick(random.below(3) === 0 ? stateful : steps)
  return { name: 'shuffled', steps: Array.from({ length }, pick), only: undefined, closes: false, waits: false }
}

/** Any way to put them on the wire. */
export function anyMode(random: Random): Mode {
  return random.pick<Mode>([
    { name: 'step by step' },
    { name: 'pipelined' },
    { name: 'cut in two', at: 1 + random.below(1000) },
  ])
}
