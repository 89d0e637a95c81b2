import type { NearCache, Reader } from '../../cache/near-cache.js'
import { KEPT_BY, keptArguments } from '../../commands/keepable.js'
import type { CommandSpec } from '../../commands/spec.js'
import { argumentStart } from '../../resp/arguments.js'
import { headerValue } from '../../resp/header.js'
import type { Frame } from '../send.js'
import type { Session } from '../session.js'
import { fetchReply } from './fetch.js'

/** A read that is at hand and whose reply may be kept: there is one at a time. */
const atHand = { key: '', variant: '' }

/** True if the reply to a read may be found among those that are kept, or be kept; `atHand` says what of. */
function isEligible(session: Session, reader: Reader, spec: CommandSpec, { buf, start, end, argc }: Frame): boolean {
  const { cache } = reader
  if (argc <= KEPT_BY) return false
  const at = argumentStart(buf, start, end, KEPT_BY)
  const length = headerValue
  if (!cache.concerns(buf, at, length) || !isPlain(session)) return false
  const wanted = keptArguments(spec)
  if ((wanted !== 0 && argc !== wanted) || end - start > cache.store.limits.maxEntryBytes) return false
  atHand.key = buf.toString('latin1', at, at + length)
  atHand.variant = reader.variant(buf.toString('latin1', start, end), session.protocol, session.database)
  return true
}

/**
 * True if nothing makes the session's reads other than anybody's: no transaction, no connection of its own, no tracking, no silence, and no
 * replicas, which lag behind.
 */
function isPlain({ mode, pooling, lease, anchor, reads, replyMode }: Session): boolean {
  const shares = pooling === 'command' && lease === null && !anchor.exists
  return mode.current === 'open' && shares && reads === null && replyMode === 'on'
}

/** Answers a read with what is kept: true if it does. False if the reply is one to be fetched, null if this is none for the cache. */
export function answerNear(session: Session, reader: Reader, spec: CommandSpec, frame: Frame): boolean | null {
  if (!isEligible(session, reader, spec, frame)) return null
  const { cache } = reader
  cache.settle()
  const reply = cache.store.find(atHand.variant, session.context.clock.now)
  if (reply === null) return false
  // Behind what Redis is still to answer it could be older than that.
  if (session.inflight > 0) return null
  cache.recorder.cacheHits++
  session.answer(spec, reply)
  return true
}

/** Has Redis answer the read at hand, and keeps what it says if that may be. Answers as dispatch does. */
export function fetchNear(session: Session, cache: NearCache, spec: CommandSpec, frame: Frame): boolean {
  return fetchReply(session, spec, frame, cache, atHand.variant, atHand.key)
}
