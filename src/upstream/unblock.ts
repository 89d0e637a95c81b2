import { command } from '../resp/encode.js'
import type { UpstreamConnection } from './connection.js'
import type { Endpoint } from './endpoint.js'
import { StepReply } from './handshake.js'

/**
 * Has Redis end a blocking call, over another connection. The call is then answered in any case: with what it has waited for, if that came
 * first, or with an error that says that nothing was done.
 */
export function unblock(endpoint: Endpoint, blocked: UpstreamConnection): void {
  const shared = [...endpoint.lanes.values()].flatMap((lane) => lane.shared)
  const via = shared.find(({ usable }) => usable)
  const id = endpoint.clientIdOf(blocked)
  if (via === undefined || id === 0) return
  const now = endpoint.context.clock.tick()
  const reply = new StepReply(now, now + endpoint.settings.upstream.commandTimeout, () => {})
  via.sendText(reply, command('CLIENT', 'UNBLOCK', String(id), 'ERROR'))
}
