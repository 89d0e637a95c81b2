import { type CommandSpec, Flag } from './spec.js'

/** Any number of arguments. */
const ANY = 0

/**
 * Reads whose answer is made of one key and the arguments alone, with how many arguments they have that key only. Not in here is
 * what tells or depends on the time (TTL, OBJECT IDLETIME, XPENDING), chance (SRANDMEMBER), a cursor (HSCAN), what is not in the data
 * (OBJECT ENCODING, MEMORY USAGE), other keys (SORT_RO), or a program (EVAL_RO); nor what Redis notes something by (PFCOUNT).
 */
const KEEPABLE: ReadonlyMap<string, number> = new Map([
  ['exists', 2],
  ['mget', 2],
  ...[
    ['type', 'get', 'getrange', 'substr', 'strlen', 'getbit', 'bitcount', 'bitpos', 'bitfield_ro'],
    ['hget', 'hgetall', 'hmget', 'hexists', 'hkeys', 'hlen', 'hstrlen', 'hvals'],
    ['lindex', 'llen', 'lpos', 'lrange'],
    ['scard', 'sismember', 'smembers', 'smismember'],
    ['zcard', 'zcount', 'zlexcount', 'zmscore', 'zrank', 'zrevrank', 'zscore'],
    ['zrange', 'zrangebylex', 'zrangebyscore', 'zrevrange', 'zrevrangebylex', 'zrevrangebyscore'],
    ['geodist', 'geohash', 'geopos', 'geosearch'],
    ['xlen', 'xrange', 'xrevrange'],
  ]
    .flat()
    .map((name): [string, number] => [name, ANY]),
])

/** Where the key stands that the answer to a keepable command depends on. */
export const KEPT_BY = 1

/** True if the answer to such a command, which has one key, may be kept for as long as that does not change. */
export function isKeepable({ name, flags, handling }: CommandSpec): boolean {
  return KEEPABLE.has(name) && handling === 'forward' && (flags & Flag.readonly) !== 0
}

/** How many arguments, with the name, a keepable command must have for that; 0 for any number. */
export function keptArguments({ name }: CommandSpec): number {
  return KEEPABLE.get(name) ?? ANY
}
