import type { TurnClock } from '../util/clock.js'
import type { EventLog } from '../util/log.js'
import type { UpstreamConnection } from './connection.js'
import { auth, StepReply } from './handshake.js'
import { LOGIN_RETRY, type UpstreamLogin } from './login.js'

/** What logging in again needs of whom the connection belongs to. */
export interface ReloginOwner {
  readonly name: string
  readonly settings: { readonly upstream: { readonly commandTimeout: number } }
  readonly context: { readonly clock: TurnClock; readonly login: UpstreamLogin }
  readonly log: EventLog
}

/**
 * Has a live connection log in with what has been taken since, so that it survives when the server ends those that are logged in with what
 * was before. It goes on in between: AUTH is a command like any other, with its place in the ring. Refused, it leaves the login as it was.
 * Not within a session's transaction, where AUTH would be queued.
 */
export function relogIn({ name, settings, context, log }: ReloginOwner, connection: UpstreamConnection): void {
  const { login, clock } = context
  const { era, current } = login
  if (connection.loginEra === era || clock.now < connection.loginDue) return
  if (current === null || current.password === null) return
  connection.loginDue = clock.now + LOGIN_RETRY
  const answered = new StepReply(clock.now, clock.now + settings.upstream.commandTimeout, (answer) => {
    if (answer instanceof Error) return log.event('warn', 'login_refused', { endpoint: name, error: answer.message })
    connection.loginEra = era
    connection.loginDue = -Infinity
  })
  connection.sendText(answered, auth(current))
}
