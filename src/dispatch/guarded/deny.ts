import type { CommandSpec } from '../../commands/spec.js'
import type { ErrorCode } from '../../errors.js'
import { quoted } from '../../resp/encode.js'
import { refuseAs } from '../open.js'
import type { Session } from '../session.js'

/**
 * Answers a command with the error that the guard has for it. As after any error while queueing, EXEC must fail then. Answers as `dispatch` does.
 *
 * @param typed the name that the application has used, for commands that nobody knows
 */
export function deny(session: Session, spec: CommandSpec, code: ErrorCode, typed: string): boolean {
  const { mode, context } = session
  if (mode.current === 'relaying') {
    // Replies are passed on as they come, and there is no telling where an error would belong.
    session.downstream.destroy('denied')
    return true
  }
  if (mode.current === 'queueing' || mode.current === 'starting') {
    if (session.inflight > 0) return session.hold('drained')
    session.failTransaction()
    session.starting = []
  }
  return refuseAs(session, spec, code, spec === context.table.other ? quoted(typed.toLowerCase()) : spec.name)
}
