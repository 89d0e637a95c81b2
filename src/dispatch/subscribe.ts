import type { CommandSpec } from '../commands/spec.js'
import { Arguments } from '../resp/arguments.js'
import type { Kind } from '../upstream/message.js'
import { relay } from './relay.js'
import type { Frame } from './send.js'
import type { Session } from './session.js'
import { Subscriber } from './subscriber.js'

const COMMANDS: Readonly<Record<string, { readonly kind: Kind; readonly adds: boolean }>> = {
  subscribe: { kind: 'channel', adds: true },
  psubscribe: { kind: 'pattern', adds: true },
  ssubscribe: { kind: 'shard', adds: true },
  unsubscribe: { kind: 'channel', adds: false },
  punsubscribe: { kind: 'pattern', adds: false },
  sunsubscribe: { kind: 'shard', adds: false },
}

/** Where Redis tells of changed keys: to one certain client, which another one has named by its id. */
export const INVALIDATE = '__redis__:invalidate'

/**
 * SUBSCRIBE and its five relatives. As on a connection of its own, all commands before have been answered by then, and those behind
 * wait for the confirmation: what they do may depend on it.
 */
export function subscribe(session: Session, spec: CommandSpec, frame: Frame): boolean {
  if (session.inflight > 0) return session.hold('drained')
  const args = new Arguments(frame.buf, frame.start, frame.end)
  const { kind, adds } = COMMANDS[spec.name]
  const names = args.texts(1)
  // In RESP2 Redis tells a client of them once it has subscribed to anything.
  const told = names.includes(INVALIDATE) || (session.protocol === 2 && session.anchor.reserved !== null)
  if (adds && told) return relay(session, spec, frame, 'subscribe')
  const subscriber = (session.subscriber ??= new Subscriber(session, session.context.carriers))
  if (adds && !subscriber.reserve(names)) {
    session.answerError(spec, 'subscriptionsExceeded')
    return true
  }
  const { clock, limits } = session.context
  const request = session.open(spec, Infinity)
  const deadline = clock.now + limits.commandTimeout
  const answer = (frames: string, failed: boolean) => {
    session.settleMode()
    // Confirmations are messages rather than replies: CLIENT REPLY does not hold them back.
    if (!failed) request.silent = false
    request.finish(frames, failed)
    session.settle()
  }
  if (adds) subscriber.subscribe(kind, args.text(0), names, deadline, answer)
  else subscriber.unsubscribe(kind, args.text(0), names, deadline, answer)
  if (!request.done) session.hold('drained')
  return true
}
