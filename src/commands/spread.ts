/**
 * Which nodes of a cluster a command goes to. What is not spread goes to the node that serves the slot of its keys, which says
 * CROSSSLOT if there are several.
 *
 * - `slots`: one part for each slot that its keys lie in
 * - `streams`: XREAD, one part for each stream, if they lie in several slots
 * - `primaries`: every primary, as it is
 * - `scan`: one primary after another; the cursor says how far it has come
 * - `written`: the primary that the session has written to last
 * - `home`: the one node that stands for all
 */
export type Target = 'slots' | 'streams' | 'primaries' | 'scan' | 'written' | 'home'

/**
 * How the replies of several become one. The first error among them, in the order of parts or nodes, is the answer unless it says
 * otherwise; what the others did stays done.
 *
 * - `places`: an array whose elements stand where they were asked for
 * - `first`: the first of replies that all say the same
 * - `sum`: integers added up, in arrays place by place; whatever else stands there is the first one's
 * - `least`: the same with the smallest integer
 * - `concat`: arrays or maps one behind another; null if all are; of plain texts the first
 * - `any`: the first that is no error
 * - `pick`: one of those that are neither null nor errors, by chance
 */
export type Merge = 'places' | 'first' | 'sum' | 'least' | 'concat' | 'any' | 'pick'

export interface Spread {
  readonly to: Target
  /** Null where one node answers. */
  readonly merge: Merge | null
}

export interface SpreadRow extends Spread {
  /** Holds for the subcommands too, unless they have a row of their own. */
  readonly name: string
  readonly reason: string
}

const slots = (name: string, merge: Merge, reason: string): SpreadRow => ({ name, to: 'slots', merge, reason })
const primaries = (name: string, merge: Merge, reason: string): SpreadRow => ({ name, to: 'primaries', merge, reason })
const one = (name: string, to: Target, reason: string): SpreadRow => ({ name, to, merge: null, reason })

const counted = 'counts its keys, each for itself'
const keys = 'every primary has keys of its own'
const setting = 'servers should not differ in their settings, and any of them may be asked next'
const library = 'functions and scripts are called where their keys are, which may be anywhere'
const running = 'what runs may run anywhere, and only its server ends it; the others say that nothing runs there'
const noted = 'every primary notes for itself'
const saved = 'the data set is saved when all of it is'
const alike = 'all servers of a cluster answer alike'
const view = 'tells of one server, and makes no sense of several'
const keyless = 'a script without keys may run anywhere'
const broadcast = 'the nodes pass messages on to each other, and sessions hear them from one node'
const alone = 'cluster nodes refuse it, each in the same words'

/** How commands without a key, or with keys in several slots, are spread over the primaries of a cluster, each with the reason. */
export const spreads: readonly SpreadRow[] = [
  slots('mget', 'places', 'each value stands where its key was'),
  slots('mset', 'first', 'a pair for itself; all of them at once is more than several nodes can promise'),
  slots('del', 'sum', counted),
  slots('unlink', 'sum', counted),
  slots('exists', 'sum', counted),
  slots('touch', 'sum', counted),
  { name: 'xread', to: 'streams', merge: 'concat', reason: 'reads each stream for itself, unless it is to wait' },

  one('scan', 'scan', keys),
  primaries('dbsize', 'sum', keys),
  primaries('keys', 'concat', keys),
  primaries('randomkey', 'pick', keys),
  primaries('flushall', 'first', keys),
  primaries('flushdb', 'first', keys),

  primaries('script|load', 'first', library),
  primaries(
    'script|exists',
    'least',
    'a script is there if every primary has it, or one has and it can be loaded on the others',
  ),
  primaries('script|flush', 'first', library),
  primaries('script|kill', 'any', running),
  one('script', 'home', alike),
  primaries('function|load', 'first', library),
  primaries('function|delete', 'first', library),
  primaries('function|flush', 'first', library),
  primaries('function|restore', 'first', library),
  primaries('function|kill', 'any', running),
  one('function|stats', 'home', view),
  one('function', 'home', alike),
  one('eval', 'home', keyless),
  one('evalsha', 'home', keyless),
  one('eval_ro', 'home', keyless),
  one('evalsha_ro', 'home', keyless),
  one('fcall', 'home', keyless),
  one('fcall_ro', 'home', keyless),

  primaries('config|set', 'first', setting),
  primaries('config|rewrite', 'first', setting),
  primaries('config|resetstat', 'first', noted),
  one('config', 'home', alike),
  primaries('acl|setuser', 'first', setting),
  primaries('acl|deluser', 'first', setting),
  primaries('acl|load', 'first', setting),
  primaries('acl|save', 'first', setting),
  primaries('acl|log', 'concat', noted),
  one('acl', 'home', alike),
  primaries('module|load', 'first', setting),
  primaries('module|loadex', 'first', setting),
  primaries('module|unload', 'first', setting),
  one('module', 'home', alike),

  primaries('memory|purge', 'first', noted),
  one('memory', 'home', view),
  primaries('slowlog|get', 'concat', noted),
  primaries('slowlog|len', 'sum', noted),
  primaries('slowlog|reset', 'first', noted),
  one('slowlog', 'home', alike),
  primaries('commandlog|get', 'concat', noted),
  primaries('commandlog|len', 'sum', noted),
  primaries('commandlog|reset', 'first', noted),
  one('commandlog', 'home', alike),
  primaries('latency|reset', 'sum', noted),
  one('latency', 'home', view),
  one('hotkeys', 'home', view),
  one('info', 'home', view),
  one('role', 'home', view),
  one('lolwut', 'home', alike),
  one('time', 'home', alike),
  one('command', 'home', alike),
  one('pfselftest', 'home', view),

  primaries('save', 'first', saved),
  primaries('bgsave', 'first', saved),
  primaries('bgrewriteaof', 'first', saved),
  primaries('lastsave', 'least', saved),

  one('publish', 'home', broadcast),
  one('pubsub', 'home', broadcast),
  primaries('pubsub|shardchannels', 'concat', 'messages of shard channels stay with their slot'),
  primaries('pubsub|shardnumsub', 'sum', 'messages of shard channels stay with their slot'),

  one('wait', 'written', 'waits for replicas of the node that the last write went to'),
  one('waitaof', 'written', 'waits for disks of the node that the last write went to'),

  one('swapdb', 'home', alone),
  one('replicaof', 'home', alone),
  one('slaveof', 'home', alone),
  one('failover', 'home', alone),
  one('trimslots', 'home', 'a word among servers, which is for none of them here'),
  one('object', 'home', alike),
  one('xgroup', 'home', alike),
  one('xinfo', 'home', alike),
]

const rows: ReadonlyMap<string, SpreadRow> = new Map(spreads.map((row) => [row.name, row]))

/** The row for a command (`container|name` for a subcommand), else that of its container. */
export function spreadRow(name: string): SpreadRow | undefined {
  return rows.get(name) ?? rows.get(name.split('|', 1)[0])
}

/** How a command is spread; null if one node gets it as it is, that of its keys or the one for all. Without `split` no command is taken apart. */
export function spreadOf(name: string, split: boolean): Spread | null {
  const row = spreadRow(name)
  if (row === undefined || row.to === 'home') return null
  return split || (row.to !== 'slots' && row.to !== 'streams') ? row : null
}
