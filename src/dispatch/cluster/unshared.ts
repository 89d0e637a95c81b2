import type { CommandSpec } from '../../commands/spec.js'
import { Arguments } from '../../resp/arguments.js'
import { refuseAs } from '../open.js'
import type { Frame } from '../send.js'
import type { Session } from '../session.js'

/** What Redis keeps for one connection, and would have to keep for those to all nodes: CLIENT's subcommands that switch such a thing on. */
const KEPT_BY_CONNECTION: readonly string[] = ['tracking', 'no-touch', 'import-source']

/** Refuses what one connection to one node cannot do; true if so. */
export function refusedOnCluster(session: Session, spec: CommandSpec, { buf, start, end }: Frame): boolean {
  if (spec.name !== 'client') return false
  const args = new Arguments(buf, start, end)
  if (args.count < 3 || !KEPT_BY_CONNECTION.includes(args.lower(1)) || args.lower(2) === 'off') return false
  return refuseAs(session, spec, 'refusedOnCluster', `client|${args.lower(1)}`)
}
