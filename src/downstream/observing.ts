import type { Session } from '../dispatch/session.js'
import type { Allowance } from './allowance.js'

/** Takes note of how many commands one read has brought, which may be all that its listener allows for now. */
export function observeRead(session: Session, commands: number, allowance: Allowance | null): void {
  if (allowance !== null && !allowance.spend(commands) && session.held === null) {
    session.context.recorder.paced++
    session.hold('paced')
    allowance.wait(session)
  }
  session.context.recorder.pipeline(commands)
  session.account.commands += commands
  if (commands === 1) return
  const newest = session.ring.at(session.ring.length - 1)
  if (newest === undefined || newest.endsPipeline) return
  newest.endsPipeline = true
  session.pipelines++
}
