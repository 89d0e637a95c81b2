import type { CommandSpec } from '../../commands/spec.js'
import type { Given } from '../../guard/guard.js'
import { Arguments } from '../../resp/arguments.js'
import { slotOfCommand } from '../cluster/place.js'
import type { Session } from '../session.js'
import { Foresight } from './foresight.js'

/** Takes note, in an audit, of what would become of a command on a cluster, or does. */
export function foresee({ guard, account }: Session, row: CommandSpec, { buf, start, end, argc }: Given): void {
  const { audit } = guard
  if (audit === null) return
  audit.commands++
  account.foresight ??= new Foresight()
  const slot = slotOfCommand(row, buf, start, end, argc)
  const outlook = account.foresight.next(row, new Arguments(buf, start, end), slot)
  if (outlook.kind === 'split') audit.note('split', row.name, outlook.how)
  else if (outlook.kind === 'refused') audit.note('refusedOnCluster', row.name, outlook.reason)
}
