import type { CommandRow } from '../../src/commands/reply.ts'

/**
 * At least one invocation of every command that has keys and more to it than a fixed key or a run of keys: those can be
 * made up from the arity. Words are separated by one space; `""` is an empty argument.
 */
export const examples: readonly string[] = [
  'BLMPOP 0 2 k1 k2 LEFT',
  'BLMPOP 1.5 1 k1 RIGHT COUNT 3',
  'BZMPOP 0 2 k1 k2 MIN',
  'EVAL return 0',
  'EVAL return 2 k1 k2 a1 a2',
  'EVAL return -1 k1',
  'EVAL return 3 k1 k2',
  'EVAL return two k1 k2',
  'EVAL return 18446744073709551617 k1 k2',
  'EVALSHA sha 1 k1',
  'EVALSHA_RO sha 1 k1 a1',
  'EVAL_RO return 2 k1 k2',
  'FCALL f 1 k1 a1',
  'FCALL f 0 a1',
  'FCALL_RO f 2 k1 k2 a1',
  'GEORADIUS k1 15 37 200 km',
  'GEORADIUS k1 15 37 200 km WITHDIST STORE k2',
  'GEORADIUS k1 15 37 200 km COUNT 2 storedist k2',
  'GEORADIUS k1 15 37 200 km STORE',
  'GEORADIUSBYMEMBER k1 STORE 200 km',
  'GEORADIUSBYMEMBER k1 m 200 km COUNT 2 Store k2',
  'GEORADIUSBYMEMBER k1 m 200 km STOREDIST k2 ASC',
  'LMPOP 2 k1 k2 LEFT',
  'LMPOP 0 LEFT k1',
  'MIGRATE host 6379 k1 0 1000',
  'MIGRATE host 6379 k1 0 1000 COPY REPLACE AUTH KEYS',
  'MIGRATE host 6379 "" 0 1000 KEYS k1 k2 k3',
  'MIGRATE host 6379 "" 0 1000 COPY AUTH2 keys KEYS Keys k1 k2',
  'MIGRATE host 6379 "" 0 1000 AUTH secret KEYS k1',
  'MIGRATE host 6379 "" 0 1000 KEYS k1 KEYS k2',
  'MIGRATE host 6379 k1 0 1000 KEYS k2',
  'MSETEX 2 k1 v1 k2 v2 EX 10',
  'SINTERCARD 2 k1 k2 LIMIT 1',
  'SORT k1',
  'SORT k1 BY w_* LIMIT 0 5 GET # GET STORE ALPHA STORE k2',
  'SORT k1 STORE k2 STORE k3',
  'SORT k1 BY STORE DESC',
  'SORT k1 STORE',
  'SORT_RO k1 BY w_* GET STORE',
  'XREAD STREAMS k1 0',
  'XREAD COUNT 2 BLOCK 10 streams k1 k2 0 0',
  'XREAD STREAMS k1 k2 0',
  'XREAD COUNT 2 BLOCK 10',
  'XREADGROUP GROUP g c STREAMS k1 >',
  'XREADGROUP GROUP STREAMS c COUNT 1 NOACK STREAMS k1 k2 > >',
  'ZDIFF 2 k1 k2 WITHSCORES',
  'ZDIFFSTORE k1 2 k2 k3',
  'ZINTER 2 k1 k2 WEIGHTS 1 2',
  'ZINTERCARD 2 k1 k2 LIMIT 3',
  'ZINTERSTORE k1 2 k2 k3 AGGREGATE MAX',
  'ZMPOP 1 k1 MIN COUNT 2',
  'ZUNION 3 k1 k2 k3',
  'ZUNIONSTORE k1 1 k2',
  'ZUNIONSTORE k1 many k2',
  'ZUNIONSTORE k1 2 k2',
]

/** Words that mean something to some command, for making up invocations that no example thinks of. */
export const vocabulary: readonly string[] = [
  ...[
    'STORE',
    'store',
    'STOREDIST',
    'STREAMS',
    'KEYS',
    'keys',
    'AUTH',
    'AUTH2',
    'GET',
    'BY',
    'LIMIT',
    'BLOCK',
    'COUNT',
  ],
  ...['GROUP', 'COPY', 'REPLACE', 'WITHSCORES', '', '0', '1', '2', '3', '-1', '99', 'k1', 'k2', 'é'],
]

/** The command's name, a subcommand's in two words, and made-up arguments up to the arity and up to three more. */
export function madeUp({ name, arity }: Pick<CommandRow, 'name' | 'arity'>): string[][] {
  const start = name.split('|')
  const rest = Math.abs(arity) - start.length
  return (arity < 0 ? [0, 1, 2, 3] : [0]).map((more) => [
    ...start,
    ...Array.from({ length: rest + more }, (_, i) => `a${i + 1}`),
  ])
}

/** Malformed or odd commands whose keys the servers of various versions see variously, or not at all. */
export function isContested([given, ...args]: readonly string[]): boolean {
  const name = given.toLowerCase()
  const places = (...words: string[]) => args.flatMap((arg, i) => (words.includes(arg.toUpperCase()) ? [i] : []))
  if (name.startsWith('georadius')) {
    const stores = places('STORE', 'STOREDIST')
    return stores.length > 1 || stores[0] < 5
  }
  // Its key spec makes the server look for KEYS from the end, also where host, port, key, database and time are.
  if (name === 'migrate') return places('KEYS').some((place) => place < 5) || places('KEYS').length > 1
  return places('STREAMS').length > 1
}
