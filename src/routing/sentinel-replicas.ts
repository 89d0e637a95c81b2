import type { Address } from '../config/config.js'

/** What sentinels say when a replica comes or goes, or a server's state changes: `slave NAME HOST PORT @ SERVICE HOST PORT`. */
export const REPLICA_EVENTS = [
  '+slave',
  '+sdown',
  '-sdown',
  '+odown',
  '-odown',
  '+slave-reconf-done',
  '+convert-to-slave',
]

/** Flags of a replica that must not be read from. */
const UNWELL = /\b(s_down|o_down|disconnected)\b/

/** The address of a replica by its row in the answer to SENTINEL REPLICAS; null if it is not well. */
export function readReplica(
  field: (name: string) => unknown,
  readAddress: (pair: unknown) => Address | null,
): Address | null {
  const flags = field('flags')
  const well = typeof flags === 'string' && !UNWELL.test(flags) && field('master-link-status') === 'ok'
  return well ? readAddress([field('ip'), field('port')]) : null
}
