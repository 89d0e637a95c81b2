import { type CommandSpec, resolve, rulingOf } from '../commands/spec.js'
import { PLAIN } from '../guard/guard.js'
import { Arguments } from '../resp/arguments.js'
import { dispatch } from './dispatcher.js'
import { dispatchGuarded } from './guarded/guarded.js'
import type { Frame } from './send.js'
import type { Session } from './session.js'

/**
 * Dispatches a command by its name, the offset of which counts from the frame's start. Answers as `dispatch` does; false also while Redis is
 * asked what the name means.
 */
export function dispatchNamed(session: Session, frame: Frame, nameOffset: number, nameLength: number): boolean {
  const { buf, start, end } = frame
  const nameStart = start + nameOffset
  const { table } = session.context
  const spec = table.lookup(buf, nameStart, nameStart + nameLength)
  const known = spec ?? learn(session, buf.toString('latin1', nameStart, nameStart + nameLength))
  if (known === null) return false
  const row = known.subcommands === null ? known : resolve(known, new Arguments(buf, start, end))
  session.lastCommand = row.name
  const { guard } = session
  if (--guard.left < 0 || guard.plain[row.id] !== PLAIN || end - start > guard.bigRequest)
    return dispatchGuarded(session, known, row, frame)
  return dispatch(session, rulingOf(known, row), frame)
}

/** What to do with a name that the table does not have; null while Redis is asked about it. */
function learn(session: Session, name: string): CommandSpec | null {
  const { learner, table } = session.context
  // Nobody asks Redis for somebody who has not logged in.
  if (session.mode.current === 'locked') return table.other
  if (!learner.learn(name, () => session.held === 'learning' && session.unhold())) return table.other
  session.hold('learning')
  return null
}
