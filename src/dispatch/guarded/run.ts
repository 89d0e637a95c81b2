import { PLAIN } from '../../guard/guard.js'
import type { Step } from '../kept-run.js'
import type { Session } from '../session.js'
import { foresee } from './foresee.js'

/** Lets the guard count the commands of a transaction that was sent in one piece; none of them was one to deny. */
export function noteRun(session: Session, buf: Buffer, steps: readonly Step[]): void {
  const { guard } = session
  for (const { row, start, end, argc } of steps) {
    if (--guard.left >= 0 && guard.plain[row.id] === PLAIN && end - start <= guard.bigRequest) continue
    const given = { buf, start, end, argc }
    foresee(session, row, given)
    guard.judge(session, row, given, true)
  }
}
