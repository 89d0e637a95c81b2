import { command } from '../../resp/encode.js'
import type { UpstreamConnection } from '../../upstream/connection.js'
import { StepReply } from '../../upstream/handshake.js'
import type { Route } from '../route.js'
import type { Session } from '../session.js'
import type { Script } from './memory.js'

/** Sends SCRIPT LOAD ahead of what follows on the connection, which is one of the route's server. Whatever Redis answers to it stays here. */
export function load(
  session: Session,
  route: Route,
  connection: UpstreamConnection,
  script: Script,
  deadline: number,
  done: () => void = () => {},
): void {
  const { recorder, clock } = session.context
  const { scripts } = route.endpoint
  const era = scripts.sent(script, connection)
  recorder.scriptLoads++
  const answer = new StepReply(
    clock.now,
    deadline,
    (value) => {
      scripts.answered(script, connection, era, value instanceof Error ? value.message : null)
      done()
    },
    done,
  )
  connection.sendText(answer, command('SCRIPT', 'LOAD', script.body.toString('latin1')))
}
