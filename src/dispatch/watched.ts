import { MINUS } from '../resp/bytes.js'
import { nullArray, type Protocol, QUEUED } from '../resp/encode.js'
import { refusalOf } from './refusals.js'
import type { Request, Run } from './request.js'

/**
 * A transaction under WATCH, on a lease at a node of a cluster, whose slot moves away before EXEC:
 *
 *     MULTI   INCR …               EXEC
 *     +OK     -MOVED ──► +QUEUED   -EXECABORT ──► null
 *
 * The application, which knows of no slots, hears what is true as well: the keys are not what they were when it began to watch them.
 */
export class Watched implements Run {
  #moved = false
  #faulty = false

  constructor(readonly session: { readonly protocol: Protocol; readonly context: { readonly topology: Refreshing } }) {}

  holdsBack(member: Request, buf: Buffer, start: number, end: number, last: boolean): boolean {
    if (member.begun || !last || buf[start] !== MINUS) return false
    const refusal = refusalOf(buf, start, end)
    const moves = refusal !== null && MOVING.includes(refusal.label)
    const { protocol, context } = this.session
    if (moves) context.topology.refresh()
    if (member.spec.name === 'exec') {
      if (this.#faulty || !(moves || this.#moved)) return false
      return answer(member, nullArray(protocol))
    }
    if (!moves) {
      this.#faulty = true
      return false
    }
    this.#moved = true
    return answer(member, QUEUED)
  }

  holdsLoss(): boolean {
    return false
  }
}

interface Refreshing {
  refresh(): void
}

const MOVING: readonly string[] = ['moved', 'ask', 'tryagain']

function answer(member: Request, text: string): true {
  const frame = Buffer.from(text, 'latin1')
  member.run = null
  member.reply(frame, 0, frame.length, true)
  return true
}
