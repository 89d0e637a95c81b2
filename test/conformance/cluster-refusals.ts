import type { Protocol } from './corpus/script.ts'

/** What respool refuses on a cluster, and a single Redis carries out or refuses in other words. */
export interface ClusterRefusal {
  /** Matched with the step in words; its first group is the command's name. */
  readonly command: RegExp
  /** Only while keys are watched, or between MULTI and EXEC. */
  readonly during?: 'watching' | 'queueing'
  /** Only in this protocol. */
  readonly only?: Protocol
  /** Redis itself refuses it, and within a transaction that is at EXEC. */
  readonly atExec?: true
  readonly reason: string
  /** The error, as it is after its minus sign, with the name in place of the sign. */
  readonly answer: string
}

export const CROSS_SLOT: ClusterRefusal = {
  command: / /,
  reason: 'the keys of a command, and of a transaction, have to be in one slot, unless the command is taken apart',
  answer: "CROSSSLOT Keys in request don't hash to the same slot",
}

/** Goes ahead of the words of a step within a transaction that is bound to fail. */
export const IN_VAIN = 'in vain: '

const UNSHARED = "ERR respool cannot do '%' on a cluster, whose nodes share no connection"
const ONE_DATABASE = 'a cluster has one database'
const OTHER_SLOTS = 'it would read keys that may be on any node'
const NODES_OWN = 'primaries and replicas are a matter of the cluster'

/** The first that matches counts. */
export const CLUSTER_REFUSALS: readonly ClusterRefusal[] = [
  {
    command: /^(SELECT|CLIENT|HELLO|AUTH|[PS]?(?:UN)?SUBSCRIBE)\b/i,
    during: 'queueing',
    reason: 'answered by respool, and the node of the transaction would be the only one that learns of it',
    answer: "ERR respool answers '%' itself, and cannot do so within a transaction",
  },
  {
    command:
      /^(DBSIZE|KEYS|RANDOMKEY|SCAN|FLUSHALL|FLUSHDB|SCRIPT (?:LOAD|EXISTS|FLUSH|KILL)|FUNCTION (?:LOAD|DELETE|FLUSH|KILL|RESTORE))\b/i,
    during: 'queueing',
    reason: 'the node of the transaction has not all keys, nor calls all scripts',
    answer: "ERR respool cannot do '%' within a transaction on a cluster: it concerns all nodes",
  },
  {
    command: /^(SUBSCRIBE|UNSUBSCRIBE)\b/i,
    during: 'watching',
    only: 2,
    reason: 'the session could do nothing else, and the node goes on watching',
    answer: UNSHARED,
  },
  {
    command: /^(raw ")?SELECT -?[1-9]\d{0,8}(\\r|$)/i,
    reason: ONE_DATABASE,
    answer: 'ERR SELECT is not allowed in cluster mode',
  },
  { command: /^MOVE \S+ \S+$/i, atExec: true, reason: ONE_DATABASE, answer: 'ERR MOVE is not allowed in cluster mode' },
  {
    command: /^SWAPDB \S+ \S+$/i,
    atExec: true,
    reason: ONE_DATABASE,
    answer: 'ERR SWAPDB is not allowed in cluster mode',
  },
  {
    command: /^COPY k k DB 3$/,
    atExec: true,
    reason: ONE_DATABASE,
    answer: 'ERR Copying to another database is not allowed in cluster mode',
  },
  {
    command: /^SORT(_RO)? .*BY \S*\*/i,
    atExec: true,
    reason: OTHER_SLOTS,
    answer: 'ERR BY option of SORT denied in Cluster mode.',
  },
  {
    command: /^SORT(_RO)? .*GET [^#]/i,
    atExec: true,
    reason: OTHER_SLOTS,
    answer: 'ERR GET option of SORT denied in Cluster mode.',
  },
  {
    command: /^(REPLICAOF|SLAVEOF) \S+ \S+$/i,
    atExec: true,
    reason: NODES_OWN,
    answer: 'ERR REPLICAOF not allowed in cluster mode.',
  },
  {
    command: /^FAILOVER/i,
    atExec: true,
    reason: NODES_OWN,
    answer: 'ERR FAILOVER not allowed in cluster mode. Use CLUSTER FAILOVER command instead.',
  },
  {
    command: /^(CLIENT (?:TRACKING|NO-TOUCH|IMPORT-SOURCE)) (?!OFF\b)/i,
    reason: 'kept for a connection to one node; invalidations of all nodes would have to come over one connection',
    answer: UNSHARED,
  },
]
