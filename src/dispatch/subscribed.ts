import { type CommandSpec, resolve } from '../commands/spec.js'
import { Arguments } from '../resp/arguments.js'
import { error } from '../resp/encode.js'
import { faultOf } from './local/syntax.js'
import { answerLocally, HTTP_NAMES, refuse } from './open.js'
import { forward, type Frame } from './send.js'
import type { Session } from './session.js'
import { subscribe } from './subscribe.js'

/** What Redis says to every other command of a RESP2 session with subscriptions. */
export function notWhileSubscribed(name: string): string {
  return `ERR Can't execute '${name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`
}

/** In RESP2 messages look like replies, so a session with subscriptions may do little else. Faults are judged first, as by Redis. */
export function dispatchSubscribed(session: Session, spec: CommandSpec, frame: Frame): boolean {
  // Only Redis can say that it does not know a command.
  if (spec === session.context.table.other) return forward(session, spec, frame)
  if (HTTP_NAMES.includes(spec.name)) return refuse(session, spec)
  const args = new Arguments(frame.buf, frame.start, frame.end)
  const fault = faultOf(spec, args)
  if (fault !== null) return rejected(session, spec, fault)
  if (spec.handling === 'subscribe') return subscribe(session, spec, frame)
  switch (spec.name) {
    case 'ping':
    case 'quit':
    case 'reset':
      return answerLocally(session, spec, frame)
    default:
      return rejected(session, spec, notWhileSubscribed(resolve(spec, args).name))
  }
}

/** Whatever is wrong with an EXEC, Redis words it as the end of a transaction. */
function rejected(session: Session, spec: CommandSpec, text: string): true {
  const worded = spec.name === 'exec' ? text.replace(/^ERR/, 'EXECABORT Transaction discarded because of:') : text
  session.answer(spec, error(worded), true)
  return true
}
