import type { CommandSpec, Handling } from '../../commands/spec.js'
import { Arguments } from '../../resp/arguments.js'
import { command, OK, QUEUED } from '../../resp/encode.js'
import { StepReply } from '../../upstream/handshake.js'
import { isHarmless } from '../local/local.js'
import { faultOf, hasArity } from '../local/syntax.js'
import { answerNone, serverFor } from '../reads/place.js'
import { type Frame, holdFor } from '../send.js'
import type { Session } from '../session.js'
import { FAULTY, NO_KEY, SEVERAL } from './place.js'
import { refusedInTransaction } from './unshared.js'

/**
 * A transaction whose node is not known yet:
 *
 *     MULTI ──► OK     PING ──► QUEUED     SET key … ──► its slot's server ──► MULTI, PING, SET … on a lease there
 *               └── answered here ──┘
 *
 * Invariant: what was answered here is sent, in order, before anything else of the transaction.
 */

/** Commands and bytes that are kept here; with more the transaction goes to the home server. */
const MOST_COMMANDS = 1000
const MOST_BYTES = 256 * 1024

const MULTI = command('MULTI')

export function startTransaction(session: Session, multi: CommandSpec): boolean {
  if (session.lease !== null) {
    if (session.inflight > 0) return session.hold('drained')
    session.ways.giveBack()
  }
  session.starting = []
  session.mode.to('starting')
  session.answer(multi, OK)
  return true
}

/** Keeps a command that says nothing of the node; with one that does the transaction begins there. */
export function addToTransaction(session: Session, spec: CommandSpec, frame: Frame, slot: number): boolean | null {
  const refused = refusedInTransaction(session, spec, frame)
  if (refused !== null) return refused
  const args = new Arguments(frame.buf, frame.start, frame.end)
  // Any server can say what is wrong. PING with too much behind it is queued all the same.
  const faulty = faultOf(spec, args) !== null && !(isHarmless(spec) && hasArity(spec, frame.argc))
  if (faulty || spec === session.context.table.other) return begin(session, spec, FAULTY)
  if (slot === NO_KEY || spec.name === 'watch') {
    switch (spec.name) {
      case 'multi':
        session.answerError(spec, 'multiNested')
        return true
      case 'watch':
        session.answerError(spec, 'watchInMulti')
        return true
      case 'discard':
        session.starting = []
        session.mode.to('open')
        session.answer(spec, OK)
        return true
      case 'quit':
      case 'reset':
        return null
    }
    if (keep(session, spec, frame)) {
      session.answer(spec, QUEUED)
      return true
    }
  }
  return begin(session, spec, slot)
}

/** What does nothing in a transaction but wait in the queue. */
const PLAIN: readonly Handling[] = ['forward', 'publish', 'block', 'blockIf']
const PLAIN_NAMES: readonly string[] = ['unwatch', 'eval', 'eval_ro']

function keep(session: Session, spec: CommandSpec, { buf, start, end }: Frame): boolean {
  const plain = PLAIN.includes(spec.handling) || PLAIN_NAMES.includes(spec.name) || isHarmless(spec)
  const bytes = session.starting.reduce((sum, text) => sum + text.length, end - start)
  if (!plain || session.starting.length >= MOST_COMMANDS || bytes > MOST_BYTES) return false
  session.starting = [...session.starting, buf.toString('latin1', start, end)]
  return true
}

/** Takes a lease at the server of the slot, or at the home server, and sends what was kept. Answers as `findServer` does. */
function begin(session: Session, spec: CommandSpec, slot: number): boolean | null {
  const { clock, limits } = session.context
  const owner = session.ways.leaseRoute?.endpoint ?? serverFor(session, spec, slot, false)
  if (session.inflight > 0) return session.hold('drained')
  if (owner === null || slot === SEVERAL) {
    session.failTransaction()
    if (slot !== SEVERAL) return answerNone(session, spec, slot)
    session.answerError(spec, 'crossSlot')
    return true
  }
  session.ways.goTo(owner)
  if (!session.ways.takeLease(spec, 'multi')) return false
  const { lease } = session
  if (lease === null) {
    session.failTransaction()
    return true
  }
  if (!lease.usable) return holdFor(session, lease)
  session.ways.nameLease()
  const deadline = clock.now + limits.commandTimeout
  // Redis will refuse EXEC if it takes any of them otherwise than was said.
  for (const text of [MULTI, ...session.starting]) lease.sendText(new StepReply(clock.now, deadline, () => {}), text)
  session.starting = []
  session.transactionSlot = slot
  session.slot = slot < 0 ? NO_KEY : slot
  session.mode.to('queueing')
  return null
}
