import type { CommandSpec } from '../../commands/spec.js'
import { ERROR_FRAMES } from '../../errors.js'
import { MINUS } from '../../resp/bytes.js'
import type { UpstreamConnection } from '../../upstream/connection.js'
import type { Loss, Pending } from '../../upstream/pending.js'
import type { Kept, Repeatable } from '../again.js'
import type { Route } from '../route.js'
import type { Session } from '../session.js'

/** Who puts the parts of a command together. */
export interface Whole {
  readonly session: Session
  readonly lost: boolean
  /** More of a part's reply has come. */
  grown(bytes: number): void
  /** The reply of the nth part, a whole frame. */
  came(nth: number, reply: Buffer): void
}

/** What one server does of a command that concerns several. */
export class Part implements Pending, Repeatable {
  /** Called when its reply is there. */
  onCame: () => void = () => {}
  #lost = false
  #left = false
  #begun = false
  readonly #reply: Buffer[] = []

  constructor(
    readonly whole: Whole,
    readonly nth: number,
    readonly spec: CommandSpec,
    readonly kept: Kept,
    public route: Route,
    readonly since: number,
    readonly deadline: number,
  ) {
    whole.session.keptBytes += kept.text.length
  }

  get lost(): boolean {
    return this.#lost || this.whole.lost
  }

  reply(buf: Buffer, start: number, end: number, last: boolean): void {
    const { session } = this.whole
    if (!this.#begun) {
      const again = buf[start] === MINUS ? last && session.refused(this, buf, start, end) : session.outran(this, last)
      if (again) return
    }
    this.#begun = true
    this.#reply.push(Buffer.copyBytesFrom(buf, start, end - start))
    this.whole.grown(end - start)
    if (!last) return
    session.executed(this)
    this.#came(Buffer.concat(this.#reply))
  }

  /** Nobody wants the reply any more. */
  late(): void {
    this.#leave()
  }

  lose(loss: Loss): void {
    const { session } = this.whole
    if (this.lost) return this.#leave()
    if (!this.#begun && session.lost(this, loss)) return
    session.context.recorder.error(loss)
    this.giveUp(ERROR_FRAMES[loss])
  }

  sendOn(connection: UpstreamConnection): void {
    connection.sendKept(this, this.kept.text)
  }

  giveUp(frame: string): void {
    this.#lost = true
    this.#came(Buffer.from(frame, 'latin1'))
  }

  #came(reply: Buffer): void {
    this.#leave()
    this.whole.came(this.nth, reply)
  }

  /** Its connection owes it nothing any more. */
  #leave(): void {
    if (this.#left) return
    this.#left = true
    const { session } = this.whole
    session.keptBytes -= this.kept.text.length
    this.route.answered(session.lease)
    this.onCame()
    session.retries?.next()
    if (session.held === 'outstanding') session.unhold()
  }
}
