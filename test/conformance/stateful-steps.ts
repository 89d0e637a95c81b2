import type { Argument } from '../helpers/raw.ts'
import type { Random } from './garble.ts'

/** What one session sends in one go, and what another client does meanwhile or instead. */
export interface StatefulStep {
  readonly commands: readonly Argument[][]
  /** Sent to the server itself, in the session's database. */
  readonly elsewhere: readonly Argument[][]
}

type Maker = (own: Own, random: Random) => StatefulStep

const sends = (...commands: Argument[][]): StatefulStep => ({ commands, elsewhere: [] })
const others = (...elsewhere: Argument[][]): StatefulStep => ({ commands: [], elsewhere })

/** The names that one session uses, so that no other session changes what it is answered. */
class Own {
  #fresh = 0

  constructor(
    readonly prefix: string,
    readonly random: Random,
  ) {}

  /** One of a few keys, of whatever type it happens to have. */
  get key(): string {
    return `${this.prefix}k${this.random.below(4)}`
  }

  get channel(): string {
    return `${this.prefix}c${this.random.below(3)}`
  }

  get pattern(): string {
    return `${this.prefix}c${this.random.pick(['*', '[01]', '?'])}`
  }

  /** A key that is used in one step only, and has not the prefix. */
  get fresh(): string {
    return `fresh:${this.prefix}${this.#fresh++}`
  }

  get script(): string {
    return `return {'${this.prefix}', redis.call('INCR', KEYS[1])}`
  }
}

/** Plain commands with one reply each. */
const PLAIN: ((own: Own) => Argument[])[] = [
  (own) => ['GET', own.key],
  (own) => ['GET', own.key],
  (own) => ['SET', own.key, own.random.below(100)],
  (own) => ['INCR', own.key],
  (own) => ['RPUSH', own.key, 'a', 'b'],
  (own) => ['LRANGE', own.key, 0, -1],
  (own) => ['HSET', own.key, 'f', own.random.below(9)],
  (own) => ['HGETALL', own.key],
  (own) => ['ZADD', own.key, '1.5', 'm'],
  (own) => ['ZRANGE', own.key, 0, -1, 'WITHSCORES'],
  (own) => ['DEL', own.key],
  (own) => ['MGET', own.key, own.key],
  (own) => ['TYPE', own.key],
  () => ['PING'],
  () => ['PING', 'words'],
  () => ['ECHO', 'words'],
  () => ['BOGUS', 'x'],
  () => ['GET'],
  (own) => ['EVAL', own.script, 1, own.key],
  (own) => ['SCRIPT', 'LOAD', own.script],
  // Nobody listens to it: Redis 7.0 puts a message to oneself in the middle of the array that EXEC is answered with.
  (own) => ['PUBLISH', `${own.prefix}nobody`, 'x'],
  // Nor is its number asked for elsewhere: while a session's subscriptions move to its lease Redis counts them twice.
  (own) => ['PUBSUB', 'NUMSUB', `${own.prefix}nobody`],
  (own) => ['CLIENT', 'SETNAME', own.random.pick(['one', 'two', ''])],
  () => ['CLIENT', 'GETNAME'],
  () => ['CLIENT', 'TRACKINGINFO'],
  () => ['CLIENT', 'GETREDIR'],
  (own) => ['SELECT', own.random.below(3)],
  // Queued by MULTI or answered at once.
  (own) => ['BLPOP', own.fresh, '0.01'],
  (own) => ['XREAD', 'BLOCK', 10, 'STREAMS', own.fresh, '$'],
]

const TRACKING: ((own: Own) => Argument[])[] = [
  () => ['ON'],
  () => ['ON'],
  () => ['OFF'],
  () => ['ON', 'OPTIN'],
  () => ['ON', 'OPTOUT'],
  () => ['ON', 'NOLOOP'],
  (own) => ['ON', 'BCAST', 'PREFIX', own.prefix],
]

const plain = (own: Own): Argument[] => own.random.pick(PLAIN)(own)
/** Without those that respool might have to refuse: unheard it ends the connection instead. */
const silent = (own: Own): Argument[] => {
  for (;;) {
    const args = plain(own)
    if (args[0] !== 'SELECT' && args[0] !== 'CLIENT') return args
  }
}
const several = (own: Own, most: number) => Array.from({ length: 1 + own.random.below(most) }, () => plain(own))

/** Kinds of steps, and how often each is chosen. */
// The pushes of others and what waits for them come in any order: so only commands that Redis does not track.
const KINDS: readonly (readonly [weight: number, make: Maker])[] = [
  [14, (own) => sends(plain(own))],
  [8, (own) => sends(['MULTI'], ...several(own, 4), [own.random.below(4) === 0 ? 'DISCARD' : 'EXEC'])],
  [3, (own) => sends(['WATCH', own.key], plain(own), ['MULTI'], ...several(own, 2), ['EXEC'])],
  [5, (own) => sends(['MULTI'], ...several(own, 2))],
  [5, (own) => sends([own.random.pick(['EXEC', 'EXEC', 'DISCARD'])])],
  [5, (own) => sends(['WATCH', own.key, own.key])],
  [2, () => sends(['UNWATCH'])],
  [6, (own) => others(['SET', own.key, 'theirs'])],
  [2, (own) => others(['DEL', own.key])],
  [
    4,
    (own) => {
      const queue = own.fresh
      return { commands: [['BLPOP', queue, 8]], elsewhere: [['RPUSH', queue, 'x', 'y']] }
    },
  ],
  [
    2,
    (own) => {
      const set = own.fresh
      return { commands: [['BZPOPMIN', set, 8]], elsewhere: [['ZADD', set, 1, 'm']] }
    },
  ],
  [
    2,
    (own) => {
      const queue = own.fresh
      return { commands: [['BLMOVE', queue, own.fresh, 'LEFT', 'LEFT', 8]], elsewhere: [['RPUSH', queue, 'x']] }
    },
  ],
  [5, (own) => sends(['SUBSCRIBE', own.channel, own.channel])],
  [3, (own) => sends(['PSUBSCRIBE', own.pattern])],
  [2, (own) => sends(['SSUBSCRIBE', own.channel])],
  [3, (own) => sends(own.random.below(2) === 0 ? ['UNSUBSCRIBE'] : ['UNSUBSCRIBE', own.channel])],
  [3, (own) => sends(own.random.below(2) === 0 ? ['PUNSUBSCRIBE'] : ['PUNSUBSCRIBE', own.pattern])],
  [2, (own) => sends(own.random.below(2) === 0 ? ['SUNSUBSCRIBE'] : ['SUNSUBSCRIBE', own.channel])],
  [5, (own) => others(['PUBLISH', own.channel, own.random.below(1000)])],
  [1, (own) => others(['SPUBLISH', own.channel, own.random.below(1000)])],
  [4, (own) => sends(['CLIENT', 'TRACKING', ...own.random.pick(TRACKING)(own)])],
  [1, (own) => sends(['CLIENT', 'CACHING', own.random.pick(['YES', 'NO'])], ['GET', own.key])],
  [1, (own) => sends(['CLIENT', 'REPLY', 'SKIP'], silent(own))],
  // No transaction begins while nothing is answered: some commands in it would make respool close the connection.
  [2, (own) => sends(['CLIENT', 'REPLY', 'OFF'], silent(own), silent(own), ['CLIENT', 'REPLY', 'ON'])],
  [1, () => sends(['CLIENT', 'REPLY', 'ON'])],
  [3, (own) => sends(['HELLO', own.random.pick([2, 3])])],
  [1, (own) => sends(['HELLO', 3, 'SETNAME', own.random.pick(['three', 'four'])])],
  [3, () => sends(['RESET'])],
]

const TOTAL = KINDS.reduce((sum, [weight]) => sum + weight, 0)

export function statefulSteps(prefix: string, length: number, random: Random): StatefulStep[] {
  const own = new Own(prefix, random)
  return Array.from({ length }, () => {
    let at = random.below(TOTAL)
    const [, make] = KINDS.find(([weight]) => (at -= weight) < 0)!
    return make(own, random)
  })
}
