import type { Session } from '../dispatch/session.js'

/** Takes note of how many commands one read has brought. */
export function observeRead(session: Session, commands: number): void {
  session.context.recorder.pipeline(commands)
  session.account.commands += commands
  if (commands === 1) return
  const newest = session.ring.at(session.ring.length - 1)
  if (newest === undefined || newest.endsPipeline) return
  newest.endsPipeline = true
  session.pipelines++
}
