import { Reads } from './reads/reads.js'
import type { Session, SessionContext } from './session.js'

// How a session gets from the lobby, where its listener has it begin, to where commands go, and back.

/** It has logged in: its commands go where the context leads to. Nothing may be in flight, or kept elsewhere. */
export function enter(session: Session, context: SessionContext, user: string): void {
  session.user = user
  if (session.mode.current === 'locked') {
    session.mode.to('open')
    session.downstream.trust(true)
  }
  if (context !== session.context) move(session, context)
}

/** It begins anew, as RESET says, and has to log in again if others have to. */
export function leave(session: Session): void {
  const { lobby } = session
  if (lobby.door.open) return
  move(session, lobby)
  session.mode.to('locked')
  session.downstream.trust(false)
  lobby.door.arrive(session)
}

function move(session: Session, context: SessionContext): void {
  session.ways.giveBack()
  session.retries?.close()
  session.retries = session.subscriber = session.written = null
  session.version = 0
  session.context = context
  const { reading } = session.options
  if (reading !== null) session.reads = new Reads(reading, context, session.id)
  session.ways.forget()
}
