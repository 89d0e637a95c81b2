import { type CommandSpec, rulingOf } from '../../commands/spec.js'
import { Arguments } from '../../resp/arguments.js'
import { dispatch } from '../dispatcher.js'
import { hasArity } from '../local/syntax.js'
import type { Frame } from '../send.js'
import type { Session } from '../session.js'
import { deny } from './deny.js'
import { foresee } from './foresee.js'

/**
 * Dispatches a command that the guard wants to look at; one that comes again because it had to wait has been counted. Answers as `dispatch`
 * does.
 *
 * @param known the command's row, or its container's
 * @param row the subcommand's, if it is one that is known
 */
export function dispatchGuarded(session: Session, known: CommandSpec, row: CommandSpec, frame: Frame): boolean {
  const spec = rulingOf(known, row)
  // Redis finds a wrong number of arguments before it looks at permissions.
  if (!hasArity(row, frame.argc) || session.mode.current === 'locked') return dispatch(session, spec, frame)
  const { guard, account, mode } = session
  const queued = mode.current === 'queueing' || mode.current === 'starting' || mode.current === 'discarding'
  if (!account.judged) foresee(session, row, frame)
  const code = account.judged ? guard.refuses(row, frame, queued) : guard.judge(session, row, frame, queued)
  const done =
    code === null
      ? dispatch(session, spec, frame)
      : deny(session, row, code, new Arguments(frame.buf, frame.start, frame.end).text(0))
  // One that is plain, now that this is known, does not come by here again.
  account.judged = !done && !guard.isPlain(row, frame.end - frame.start)
  return done
}
