import type { CommandSpec } from '../commands/spec.js'
import { Arguments } from '../resp/arguments.js'
import { error } from '../resp/encode.js'
import { ERRORS } from '../errors.js'
import { faultOf, unknownCommand } from './local/syntax.js'
import { answerLocally, HTTP_NAMES, refuse } from './open.js'
import type { Frame } from './send.js'
import type { Session } from './session.js'

/** What can be said before a login. */
const FREE = ['auth', 'hello', 'quit', 'reset']

/** A session that has to log in first. Faults are judged before that, as by Redis. */
export function dispatchLocked(session: Session, spec: CommandSpec, frame: Frame): boolean {
  if (HTTP_NAMES.includes(spec.name)) return refuse(session, spec)
  const args = new Arguments(frame.buf, frame.start, frame.end)
  const fault = spec === session.context.table.other ? unknownCommand(args) : early(spec, args)
  if (fault === null && FREE.includes(spec.name)) return answerLocally(session, spec, frame)
  const text = fault ?? knock(session)
  session.answer(spec, error(spec.name === 'exec' ? aborted(text) : text), true)
  return true
}

function knock(session: Session): string {
  const { context } = session
  const code = context.door.knock(session)
  context.recorder.error(code)
  return ERRORS[code].text
}

/** Whatever is wrong with an EXEC, Redis words it as the end of a transaction. */
const aborted = (text: string): string => `EXECABORT Transaction discarded because of: ${text.replace(/^ERR /, '')}`

/** That PING takes one argument only Redis finds out when it carries it out. */
function early(spec: CommandSpec, args: Arguments): string | null {
  return spec.name === 'ping' ? null : faultOf(spec, args)
}
