import { type CommandSpec, Flag, type Handling, isBlocking } from '../../commands/spec.js'
import type { Endpoint } from '../../upstream/endpoint.js'
import { hasArity } from '../local/syntax.js'
import type { Mode } from '../mode.js'
import { answerNone, blocks, serverFor } from '../reads/place.js'
import { readRun } from '../run.js'
import { blockTimeOf, type Frame } from '../send.js'
import type { Session } from '../session.js'
import { scan } from './scan.js'
import { spreadOut } from './spread.js'
import { concernsAll, FAULTY, NO_KEY, SEVERAL, slotOfCommand } from './place.js'
import { addToTransaction, startTransaction } from './starting.js'
import { refusedInTransaction, refusedOnCluster, refusedWhileWatching } from './unshared.js'

/**
 * Decides which server of a cluster the command at hand goes to, ahead of the decision how it goes there.
 *
 *     command ──► slot of its keys ──► primary of the slot ──► the session's route to it
 *            └──► no keys ───────────► the home server, or the one with the session's transaction
 *
 * Null if the session is on the way to the right server now, so that the command can be dispatched as with a single one; else what
 * dispatch has to answer: true if the command is done with, false if it has to wait.
 */
export function findServer(session: Session, spec: CommandSpec, frame: Frame): boolean | null {
  const { topology } = session.context
  if (session.version !== topology.version) {
    // A command that goes elsewhere must not overtake one that is still on its way.
    if (session.inflight > 0) return session.hold('drained')
    session.version = topology.version
    session.ways.forget()
  }
  const found = slotOfCommand(spec, frame.buf, frame.start, frame.end, frame.argc)
  // Redis finds a wrong number of arguments before it looks for keys: any server will do for that.
  const matters = found === SEVERAL || session.mode.current !== 'open'
  const slot = matters && !hasArity(spec, frame.argc) ? NO_KEY : found
  return BY_MODE[session.mode.current](session, spec, frame, slot)
}

type Find = (session: Session, spec: CommandSpec, frame: Frame, slot: number) => boolean | null

const BY_MODE: Record<Mode, Find> = {
  locked: () => null,
  open: findOpen,
  spoilt: findOpen,
  subscribed: findSubscribed,
  watching: findWatching,
  starting: addToTransaction,
  queueing: findQueueing,
  discarding: () => null,
  relaying: () => null,
  closed: () => null,
}

function findOpen(session: Session, spec: CommandSpec, frame: Frame, slot: number): boolean | null {
  if (spec.name === 'multi' && hasArity(spec, frame.argc) && session.mode.current === 'open') {
    return findForTransaction(session, spec, frame)
  }
  if (refusedOnCluster(session, spec, frame)) return true
  if (spec.spread !== null && hasArity(spec, frame.argc)) return findSpread(session, spec, frame, slot)
  return goToSlot(session, spec, frame, slot)
}

/** A command that several servers may be concerned with. */
function findSpread(session: Session, spec: CommandSpec, frame: Frame, slot: number): boolean | null {
  const { to } = spec.spread!
  // As long as nobody knows the servers it waits where all others wait, and then comes here again.
  if (session.context.topology.version === 0) return goToSlot(session, spec, frame, NO_KEY)
  if (to === 'written' && session.written !== null) return goTo(session, session.written, NO_KEY)
  if (slot >= 0) return goToSlot(session, spec, frame, slot)
  // A blocking call holds up all that follows, wherever that goes.
  if (session.lease !== null && session.inflight > 0) return session.hold('drained')
  if (to === 'scan') return scan(session, spec, frame, (place) => goToSlot(session, spec, frame, place))
  return spreadOut(session, spec, frame) ? true : goToSlot(session, spec, frame, slot)
}

/** With subscriptions a RESP2 session may do little else: what it may not is refused as by a single server. */
function findSubscribed(session: Session, spec: CommandSpec, frame: Frame, slot: number): boolean | null {
  return spec.handling === 'subscribe' ? goToSlot(session, spec, frame, slot) : null
}

/** A transaction that is wholly in hand goes to the server of its keys; any other has to wait for the first key. */
function findForTransaction(session: Session, spec: CommandSpec, frame: Frame): boolean | null {
  const run = session.lease === null ? readRun(session, frame) : null
  if (run === null || session.reads?.refusesRun(run) === true) return startTransaction(session, spec)
  let slot = NO_KEY
  for (const step of run) {
    if (concernsAll(step.spec)) return startTransaction(session, spec)
    const next = slotOfCommand(step.spec, frame.buf, step.start, step.end, step.argc)
    if (next === SEVERAL || (next !== NO_KEY && slot !== NO_KEY && next !== slot))
      return startTransaction(session, spec)
    if (next !== NO_KEY) slot = next
  }
  return goToSlot(session, spec, frame, slot)
}

const ELSEWHERE: readonly Handling[] = ['forward', 'script', 'subscribe']

/** What a session that watches keys may do at another server: nothing that needs a connection of its own there. */
function canLeave(spec: CommandSpec, frame: Frame): boolean {
  return ELSEWHERE.includes(spec.handling) || (isBlocking(spec) && blockTimeOf(spec, frame) === -1)
}

/** The keys that are watched bind the transaction that follows, not what is done before it. */
function findWatching(session: Session, spec: CommandSpec, frame: Frame, slot: number): boolean | null {
  const { ways } = session
  if (ways.leaseRoute === null) return findOpen(session, spec, frame, slot)
  if (refusedWhileWatching(session, spec, frame)) return true
  if (spec.spread !== null && (slot === SEVERAL || concernsAll(spec)) && hasArity(spec, frame.argc))
    return findSpread(session, spec, frame, slot)
  const publishes = spec.handling === 'publish' && spec.spread === null
  if (slot === session.transactionSlot || (slot === NO_KEY && !publishes)) return stay(session, slot)
  if (slot === SEVERAL || !(publishes || canLeave(spec, frame))) return cross(session, spec)
  return goToSlot(session, spec, frame, slot)
}

function findQueueing(session: Session, spec: CommandSpec, frame: Frame, slot: number): boolean | null {
  const { ways } = session
  if (session.transactionSlot === FAULTY) {
    if (session.inflight > 0) return session.hold('drained')
    session.failTransaction()
    return null
  }
  const refused = refusedInTransaction(session, spec, frame)
  if (refused !== null) return refused
  if (spec.name === 'watch' && slot !== NO_KEY) {
    session.answerError(spec, 'watchInMulti')
    return true
  }
  if (slot === NO_KEY || ways.leaseRoute === null) return stay(session, slot)
  if (session.transactionSlot === NO_KEY && slot !== SEVERAL) {
    const { topology } = session.context
    const { endpoint } = ways.leaseRoute
    const serves = topology.primaryOf(slot) === endpoint || topology.replicasOf(slot).includes(endpoint)
    if (serves) session.transactionSlot = slot
  }
  if (slot === session.transactionSlot) return stay(session, slot)
  // As after any error while queueing, EXEC must fail: that takes the transaction off Redis.
  if (session.inflight > 0) return session.hold('drained')
  session.failTransaction()
  return cross(session, spec)
}

/** The command goes where the session's lease leads. */
function stay(session: Session, slot: number): null {
  const { ways } = session
  if (ways.leaseRoute !== null) ways.goTo(ways.leaseRoute.endpoint)
  session.slot = slot
  return null
}

function goToSlot(session: Session, spec: CommandSpec, frame: Frame, slot: number): boolean | null {
  if (slot === SEVERAL) return cross(session, spec)
  // What it takes to leave a channel is known without its server.
  const home = spec.name === 'sunsubscribe'
  const endpoint = serverFor(session, spec, home ? NO_KEY : slot, session.reads !== null && blocks(spec, frame))
  if (endpoint === null) return answerNone(session, spec, slot)
  if ((spec.flags & Flag.write) !== 0) session.written = endpoint
  if (spec.name === 'watch' || spec.name === 'multi') session.transactionSlot = slot
  return goTo(session, endpoint, slot)
}

function goTo(session: Session, endpoint: Endpoint, slot: number): false | null {
  if (!leavesLease(session, endpoint)) return session.hold('drained')
  session.ways.goTo(endpoint)
  session.slot = slot
  return null
}

/** A lease that only carries what is in flight goes back before anything is sent elsewhere: a blocking call holds up all that follows. */
function leavesLease({ ways, mode, inflight }: Session, endpoint: Endpoint): boolean {
  const elsewhere = ways.leaseRoute !== null && ways.leaseRoute.endpoint !== endpoint
  if (!elsewhere || mode.current === 'watching') return true
  if (inflight > 0) return false
  ways.giveBack()
  return true
}

function cross(session: Session, spec: CommandSpec): true {
  session.answerError(spec, 'crossSlot')
  return true
}
