import type { Spread } from './spread.js'

/**
 * What the proxy knows about a command.
 * Facts come from the servers' own COMMAND reply, decisions from the policy table.
 */

/** Bits of `CommandSpec.flags`: the flags of the COMMAND reply that somebody may want to ask about. */
export const Flag = {
  write: 1,
  readonly: 2,
  blocking: 4,
  pubsub: 8,
  noMulti: 16,
  admin: 32,
  noAuth: 64,
  noScript: 128,
  allowBusy: 256,
  movableKeys: 512,
  noMandatoryKeys: 1024,
  module: 2048,
} as const

/** The same bits under the names that the COMMAND reply gives them. */
export const flagsByWireName: ReadonlyMap<string, number> = new Map([
  ['write', Flag.write],
  ['readonly', Flag.readonly],
  ['blocking', Flag.blocking],
  ['pubsub', Flag.pubsub],
  ['no_multi', Flag.noMulti],
  ['admin', Flag.admin],
  ['no_auth', Flag.noAuth],
  ['noscript', Flag.noScript],
  ['allow_busy', Flag.allowBusy],
  ['movablekeys', Flag.movableKeys],
  ['no_mandatory_keys', Flag.noMandatoryKeys],
  ['module', Flag.module],
])

/**
 * What dispatch does with a command outside any special session mode.
 *
 * - `forward`: send it on a shared connection
 * - `local`: the proxy answers from the session
 * - `block`: send it on a leased connection, because it keeps its connection waiting (or waits for another one's command)
 * - `blockIf`: `block` when `blockTime` is not -1, otherwise `forward`
 * - `script`: `forward`, and the script is remembered, or loaded ahead of the command if it may be missing
 * - `transaction`: part of MULTI or WATCH
 * - `subscribe`: goes to the connection that carries everybody's subscriptions
 * - `publish`: `forward`, with a number of subscribers in the reply
 * - `relay`: the session keeps an upstream connection of its own, because replies come unasked
 * - `refuse`: answer with an error; no connection could be shared, or given back, afterwards
 */
export type Handling =
  'forward' | 'local' | 'block' | 'blockIf' | 'script' | 'transaction' | 'subscribe' | 'publish' | 'relay' | 'refuse'

/** True if the server may answer it only when data comes. */
export function isBlocking({ handling }: CommandSpec): boolean {
  return handling === 'block' || handling === 'blockIf'
}

/** Where a group of keys begins. Positions count the command's name as 0, also for subcommands. */
export type KeyBegin =
  | { readonly kind: 'index'; readonly index: number }
  /** After the first `keyword` from `startFrom` on; a negative one counts from the end, and the search goes backwards. */
  | { readonly kind: 'keyword'; readonly keyword: string; readonly startFrom: number }
  /**
   * After `keyword` among options, stepping over the values of the options named in `values`. Either the first such
   * option counts or (`last`) the last one.
   */
  | {
      readonly kind: 'option'
      readonly keyword: string
      readonly startFrom: number
      readonly values: ReadonlyMap<string, number>
      readonly last: boolean
    }
  | { readonly kind: 'unknown' }

/** How many keys there are from `begin` on, and how far apart. */
export type KeyFind =
  /** `lastKey` relative to the first key, or to the end when negative; then `limit` n > 1 takes the first nth part. */
  | { readonly kind: 'range'; readonly lastKey: number; readonly keyStep: number; readonly limit: number }
  /** All three relative to `begin`: where the number of keys stands, and where the first key is. */
  | { readonly kind: 'keynum'; readonly keyNumIdx: number; readonly firstKey: number; readonly keyStep: number }
  | { readonly kind: 'unknown' }

export interface KeySpec {
  readonly begin: KeyBegin
  readonly find: KeyFind
  /** False for what is no key but decides the slot all the same: the channels of SSUBSCRIBE, SUNSUBSCRIBE and SPUBLISH. */
  readonly isKey: boolean
  /** The keys found by this spec, if any, stand in place of those found before, which have to be empty words then. */
  readonly replaces: boolean
}

export interface CommandSpec {
  /** Dense from 0, so that arrays can be indexed by it; 0 is the row `other`, which stands for every unknown name. */
  readonly id: number
  /** Lower case; a subcommand's is `container|name`. Bounded in number: fit for a metric label. */
  readonly name: string
  /** As COMMAND gives it: number of arguments with the name, a negative one is a minimum. 0 = unknown. */
  readonly arity: number
  /** Bits of `Flag`. */
  readonly flags: number
  /** ACL categories, such as `dangerous`. */
  readonly categories: ReadonlySet<string>
  readonly handling: Handling
  /** How it is spread over the nodes of a cluster; null if one node gets it as it is. */
  readonly spread: Spread | null
  readonly keySpecs: readonly KeySpec[]
  /** Position of the only key when it is always there and nowhere else, otherwise 0: saves asking `keyPositions`. */
  readonly soleKey: number
  /** By lower-case name; null when the command has none. */
  readonly subcommands: ReadonlyMap<string, CommandSpec> | null
}

/** The arguments of one command. `count` includes the name; `text(i)` is argument i in latin1, 0 is the name. */
export interface ArgumentReader {
  readonly count: number
  text(i: number): string
}

/** The row whose handling counts for a command. */
export function ruling(spec: CommandSpec, args: ArgumentReader): CommandSpec {
  return rulingOf(spec, resolve(spec, args))
}

/**
 * The one whose handling counts of a command's row and its subcommand's. A subcommand can be something else altogether (SCRIPT KILL is
 * no SCRIPT LOAD, CLUSTER SYNCSLOTS no CLUSTER SLOTS), unless both are handled here, which the container's handler does.
 */
export function rulingOf(container: CommandSpec, row: CommandSpec): CommandSpec {
  return container.handling === 'forward' || row.handling !== container.handling ? row : container
}

/** The row that counts for a command: its subcommand's, when it has one that is known. */
export function resolve(spec: CommandSpec, args: ArgumentReader): CommandSpec {
  if (spec.subcommands === null || args.count < 2) return spec
  return spec.subcommands.get(args.text(1).toLowerCase()) ?? spec
}

/** Argument i as servers compare it with the words that they know: in any case, and only up to a NUL. */
export function wordAt(args: ArgumentReader, i: number): string {
  const text = args.text(i)
  const end = text.indexOf('\0')
  return (end === -1 ? text : text.slice(0, end)).toLowerCase()
}
