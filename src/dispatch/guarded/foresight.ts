import type { CommandSpec } from '../../commands/spec.js'
import type { Arguments } from '../../resp/arguments.js'
import { concernsAll, NO_KEY, SEVERAL, tiesToNode } from '../cluster/place.js'
import { split } from '../spread/split.js'

/** What a cluster makes of a command. */
export type Outlook =
  | { readonly kind: 'whole' }
  /** Done by several nodes, one for each slot or stream, or by all primaries. */
  | { readonly kind: 'split'; readonly how: string }
  /** Not done; the reason is the code of an error. */
  | { readonly kind: 'refused'; readonly reason: string }

const WHOLE: Outlook = { kind: 'whole' }
const refused = (reason: string): Outlook => ({ kind: 'refused', reason })

/** What servers of a cluster do not do. */
const BEYOND_CLUSTERS: readonly string[] = ['move', 'swapdb', 'replicaof', 'slaveof']

/** What becomes of a command outside a transaction, the slot of its keys being what `slotOfCommand` says. */
export function outlookOf(row: CommandSpec, args: Arguments, slot: number): Outlook {
  if (BEYOND_CLUSTERS.includes(row.name)) return refused('notOnClusters')
  if (row.name === 'select' && args.count > 1 && args.text(1) !== '0') return refused('selectOnCluster')
  if (tiesToNode(row, args)) return refused('refusedOnCluster')
  if (concernsAll(row)) return { kind: 'split', how: row.spread!.to }
  if (slot !== SEVERAL) return WHOLE
  return split(row, args) === null ? refused('crossSlot') : { kind: 'split', how: row.spread!.to }
}

/**
 * What a cluster would make of the commands of one session, while they are audited. Watched keys and the transaction behind them must be at
 * one node.
 */
export class Foresight {
  #slot = NO_KEY
  #inTransaction = false

  next(row: CommandSpec, args: Arguments, slot: number): Outlook {
    switch (row.name) {
      case 'multi':
        this.#inTransaction = true
        return WHOLE
      case 'exec':
      case 'discard':
      case 'unwatch':
        this.#inTransaction &&= row.name === 'unwatch'
        if (!this.#inTransaction) this.#slot = NO_KEY
        return WHOLE
    }
    if (!this.#inTransaction && row.name !== 'watch') return outlookOf(row, args, slot)
    if (concernsAll(row)) return refused('notByOneNode')
    if (slot === SEVERAL || (slot !== NO_KEY && this.#slot !== NO_KEY && slot !== this.#slot))
      return refused('crossSlot')
    if (slot !== NO_KEY) this.#slot = slot
    return WHOLE
  }
}
