import { IN_VAIN } from './cluster-refusals.ts'
import { INTENDED_DIFFERENCES, type IntendedDifference } from './intended-differences.ts'

/** Where and by what a transaction fails may be known sooner on a cluster, or later. */
export const FAILING_TRANSACTION: IntendedDifference = {
  command: new RegExp(`^${IN_VAIN}`),
  reason: 'the transaction fails in any case, and so does its EXEC',
  proxied: /^(\+QUEUED|-)/,
}

const CLUSTER_ONLY: readonly IntendedDifference[] = [
  {
    command: /^HELLO\b/i,
    reason: 'the mode is the server’s own: cluster, and not standalone',
    proxied: /^[*%]\d+\r\n\$6\r\nserver\r\n[^]*\$4\r\nmode\r\n\$7\r\ncluster\r\n/,
  },
  {
    command: /^INFO (keyspace )?cluster$/i,
    reason: 'the mode is the server’s own: cluster, and not standalone',
    proxied: /cluster_enabled:1/,
  },
  {
    command: /^INFO keyspace$/i,
    reason: 'tells of one node',
    proxied: /# Keyspace\r\n\r\n$/,
  },
  {
    command: /^RANDOMKEY$/i,
    reason: 'any of the keys',
    proxied: /^\$1\r\n[kn]\r\n$/,
  },
  {
    command: /^SCAN 0\b/i,
    reason: 'goes through the nodes one after another: a call shows the keys of one, and the last of all ends the scan',
    proxied: /\$19\r\n/,
  },
  {
    command: /^MEMORY USAGE/i,
    reason: 'a node keeps a little more for each key, by which it finds those of a slot',
    proxied: /^:80\r\n$/,
  },
  {
    command: /^EVAL redis\.call\('SELECT'/i,
    reason: 'a cluster has one database',
    proxied: /^-ERR SELECT is not allowed in cluster mode script: /,
  },
]

/** All that may be otherwise on a cluster, besides what is refused there: `cluster-refusals.ts`. */
export const CLUSTER_DIFFERENCES: readonly IntendedDifference[] = [...CLUSTER_ONLY, ...INTENDED_DIFFERENCES]
export const isOfCluster = (row: IntendedDifference) => CLUSTER_ONLY.includes(row)
