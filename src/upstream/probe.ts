import { command } from '../resp/encode.js'
import type { Endpoint } from './endpoint.js'
import { StepReply } from './handshake.js'

/** How often round trips to a server are measured, ms. */
const INTERVAL = 2000

const PING = command('PING')

/** Measures a round trip if it is time to. What is in flight before it counts: a busy server is far away. */
export function probe(endpoint: Endpoint, now: number): void {
  const { fitness, home, settings, context } = endpoint
  if (now - fitness.probedAt < INTERVAL) return
  const connection = home.shared.find(({ usable }) => usable)
  if (connection === undefined) return
  fitness.probedAt = now
  const done = () => fitness.measured(context.clock.now - now)
  connection.sendText(new StepReply(now, now + settings.upstream.commandTimeout, done), PING)
}
