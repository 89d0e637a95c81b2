import { command } from '../resp/encode.js'
import type { UpstreamConnection } from '../upstream/connection.js'
import { StepReply } from '../upstream/handshake.js'
import { firstText, KINDS } from '../upstream/message.js'
import type { Session } from './session.js'
import { WORDS } from './subscriber.js'

/**
 * Takes a session's subscriptions along to the lease that it is about to be tied to, so that Redis itself knows of them: it is the judge
 * of all that the session says from then on. In RESP3 only, where confirmations can be told from messages. What is published
 * while Redis has not heard of it yet is lost to this session.
 */
export function carryOver(session: Session, lease: UpstreamConnection): void {
  const { subscriber, context } = session
  if (subscriber === null || subscriber.total === 0) return
  const commands = KINDS.flatMap((kind) => [...subscriber.names[kind]].map((name) => command(WORDS[kind][0], name)))
  subscriber.leave()
  context.recorder.subscriptionGaps++
  lease.pushes = {
    push: (buf, start, end) => {
      const word = firstText(buf, start, end)
      const confirms = KINDS.some((kind) => WORDS[kind][0] === word)
      if (!confirms) session.push(buf, start, end)
      return confirms
    },
  }
  const { now } = context.clock
  const answered = (value: unknown) => value instanceof Error && session.evict()
  // One command for each, as each is confirmed by itself.
  for (const text of commands) lease.sendText(new StepReply(now, now + context.limits.commandTimeout, answered), text)
}
