import { Flag, type Handling } from './spec.js'

export interface PolicyRow {
  readonly name: string
  /** Holds for the subcommands too, unless they have a row of their own. */
  readonly handling?: Handling
  /** Key specs to use in place of the server's own, in the notation of `parseKeySpecs`. */
  readonly keys?: string
  readonly reason: string
}

const answered = 'acts on the session only; a shared connection must not feel it'
const asked = 'answers what the session knows by itself, and at once even when no server can be reached'
const cluster = 'sets a mode of the connection, which must not stay behind on a shared one'
const standIn = 'tells applications of a topology in which respool stands in for all servers'
const waits = 'the connection answers nothing else until data comes or the time is over'
const transaction = 'state of the connection that lasts over several commands'
const pushes = 'messages come unasked, so the connection can have one owner only'
const shared = "one connection carries all sessions' subscriptions, and each hears its own"
const counts = 'tells how many are subscribed, and for Redis all sessions are one'
const replication = 'turns the connection into a replication link'
const brings = 'brings the body of a script, which is remembered'
const calls = 'calls a script by its digest: one that was seen is loaded first where it may be missing'
const publishes = 'has a flag of the subscription commands, but is a plain command with a plain reply'

/**
 * What the servers' own description of a command does not tell, or tells wrong, each with the reason. Everything else follows
 * from the flags: see `handlingFor`.
 */
export const policy: readonly PolicyRow[] = [
  { name: 'auth', handling: 'local', reason: answered },
  {
    name: 'client',
    handling: 'local',
    reason: 'names, identifies, silences, tracks or kills what to the application is its own connection',
  },
  { name: 'echo', handling: 'local', reason: asked },
  { name: 'hello', handling: 'local', reason: answered },
  { name: 'ping', handling: 'local', reason: asked },
  { name: 'quit', handling: 'local', reason: answered },
  { name: 'reset', handling: 'local', reason: answered },
  { name: 'select', handling: 'local', reason: answered },
  { name: 'asking', handling: 'local', reason: cluster },
  { name: 'readonly', handling: 'local', reason: cluster },
  { name: 'readwrite', handling: 'local', reason: cluster },

  { name: 'cluster', handling: 'local', reason: standIn },
  { name: 'sentinel', handling: 'local', reason: standIn },

  { name: 'respool', handling: 'local', reason: 'speaks of respool itself, and no server has it' },

  { name: 'multi', handling: 'transaction', reason: transaction },
  { name: 'exec', handling: 'transaction', reason: transaction },
  { name: 'discard', handling: 'transaction', reason: transaction },
  { name: 'watch', handling: 'transaction', reason: transaction },
  { name: 'unwatch', handling: 'transaction', reason: transaction },

  { name: 'blpop', handling: 'block', reason: waits },
  { name: 'brpop', handling: 'block', reason: waits },
  { name: 'brpoplpush', handling: 'block', reason: waits },
  { name: 'blmove', handling: 'block', reason: waits },
  { name: 'blmpop', handling: 'block', reason: waits },
  { name: 'bzpopmin', handling: 'block', reason: waits },
  { name: 'bzpopmax', handling: 'block', reason: waits },
  { name: 'bzmpop', handling: 'block', reason: waits },
  // The server waits for what the same connection wrote last, so on a connection that wrote nothing it counts at once.
  {
    name: 'wait',
    handling: 'block',
    reason: 'waits for replicas, and counts only what its own connection wrote before',
  },
  {
    name: 'waitaof',
    handling: 'block',
    reason: 'waits for disks, and counts only what its own connection wrote before',
  },
  { name: 'xread', handling: 'blockIf', reason: 'waits only when BLOCK is given' },
  { name: 'xreadgroup', handling: 'blockIf', reason: 'waits only when BLOCK is given' },
  { name: 'eval', handling: 'script', reason: brings },
  { name: 'eval_ro', handling: 'script', reason: brings },
  { name: 'script|load', handling: 'script', reason: brings },
  { name: 'evalsha', handling: 'script', reason: calls },
  { name: 'evalsha_ro', handling: 'script', reason: calls },
  { name: 'script|flush', handling: 'script', reason: 'after it no script is certain to be there' },
  {
    name: 'script|kill',
    handling: 'block',
    reason: 'the server reads nothing from the connection whose script it runs',
  },
  {
    name: 'function|kill',
    handling: 'block',
    reason: 'the server reads nothing from the connection whose function it runs',
  },

  { name: 'subscribe', handling: 'subscribe', reason: shared },
  { name: 'psubscribe', handling: 'subscribe', reason: shared },
  { name: 'ssubscribe', handling: 'subscribe', reason: shared },
  { name: 'unsubscribe', handling: 'subscribe', reason: shared },
  { name: 'punsubscribe', handling: 'subscribe', reason: shared },
  { name: 'sunsubscribe', handling: 'subscribe', reason: shared },
  { name: 'monitor', handling: 'relay', reason: pushes },
  { name: 'publish', handling: 'publish', reason: counts },
  { name: 'spublish', handling: 'publish', reason: counts },
  { name: 'pubsub', handling: 'forward', reason: publishes },
  { name: 'pubsub|numsub', handling: 'publish', reason: counts },
  { name: 'pubsub|shardnumsub', handling: 'publish', reason: counts },

  { name: 'sync', handling: 'refuse', reason: replication },
  { name: 'psync', handling: 'refuse', reason: replication },
  { name: 'replconf', handling: 'refuse', reason: replication },
  { name: 'cluster|syncslots', handling: 'refuse', reason: replication },
  { name: 'script|debug', handling: 'refuse', reason: 'turns the connection into a debugger console' },
  {
    name: 'debug',
    handling: 'refuse',
    reason: 'can crash, hang or restart the server that everyone shares, or garble replies',
  },
  { name: 'shutdown', handling: 'refuse', reason: 'has no reply: the server goes away from under every session' },
  { name: 'post', handling: 'refuse', reason: 'the server takes it for an attack over HTTP and drops the connection' },
  { name: 'host:', handling: 'refuse', reason: 'the server takes it for an attack over HTTP and drops the connection' },

  {
    name: 'failover',
    handling: 'forward',
    reason: 'replies at once; changes the roles of servers, not the connection',
  },
  { name: 'pfdebug', handling: 'forward', reason: 'a plain command on one key, despite its name' },
  {
    name: 'restore-asking',
    handling: 'forward',
    reason: 'ASKING and RESTORE in one command, so no mode is left behind',
  },

  {
    name: 'sort',
    keys: 'index 1 range 0 1 0; lastoption STORE 2 LIMIT=2,GET=1,BY=1 range 0 1 0',
    reason: 'the server calls its place unknown, because options come in any order and the last STORE counts',
  },
  {
    name: 'migrate',
    keys: 'index 3 range 0 1 0; replaces option KEYS 6 AUTH=1,AUTH2=2 range -1 1 0',
    reason: 'the server looks for KEYS next to the end only; with KEYS the one before is an empty place-holder',
  },
]

const rows: ReadonlyMap<string, PolicyRow> = new Map(policy.map((row) => [row.name, row]))

/** The policy's own row for a command; `container|name` for a subcommand. */
export function policyFor(name: string): PolicyRow | undefined {
  return rows.get(name)
}

/**
 * The policy's word on the command, else on its container, else what follows from its flags (bits of `Flag`). What would be refused
 * but is allowed gets a connection of its own, which no one uses afterwards; what would be answered here but is withdrawn from that is forwarded.
 */
export function handlingFor(
  name: string,
  flags: number,
  allowed: readonly string[],
  withdrawn: readonly string[],
): Handling {
  const container = name.split('|', 1)[0]
  const handling = rows.get(name)?.handling ?? rows.get(container)?.handling ?? handlingByFlags(flags)
  if (handling === 'local' && withdrawn.includes(container)) return 'forward'
  return handling === 'refuse' && allowed.includes(name) ? 'relay' : handling
}

function handlingByFlags(flags: number): Handling {
  if ((flags & Flag.blocking) !== 0) return 'block'
  return (flags & Flag.pubsub) !== 0 ? 'relay' : 'forward'
}
