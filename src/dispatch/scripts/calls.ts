import type { CommandSpec } from '../../commands/spec.js'
import { MINUS } from '../../resp/bytes.js'
import type { Value } from '../../resp/decode.js'
import { command } from '../../resp/encode.js'
import type { UpstreamConnection } from '../../upstream/connection.js'
import { StepReply } from '../../upstream/handshake.js'
import type { Loss } from '../../upstream/pending.js'
import { Request } from '../request.js'
import type { Session } from '../session.js'
import { load } from './load.js'
import type { Script } from './memory.js'

/** What Redis, and in the shorter form Valkey, answers to a digest that it does not know. */
const MISSING = /^-NOSCRIPT No matching script\.( Please use EVAL\.)?\r\n$/
const LONGEST_MISSING = 64

/**
 * An EVALSHA of a script that is remembered, and that Redis should have. If Redis does not, because somebody else flushed its scripts,
 * the script is loaded and the call sent again, once:
 *
 *     EVALSHA ──► -NOSCRIPT …, the session is held ──► SCRIPT EXISTS ──► 0 ──► SCRIPT LOAD, EVALSHA ──► reply
 *                                                           │
 *                                                           └─ anything else ──► the error goes to the application
 *
 * Sending it again must neither change the order of the session's commands nor execute anything twice:
 *
 * - Order: it is done only if nothing of the session was sent behind this command. Meanwhile the session is held. And a call that
 *   stands behind another one whose NOSCRIPT went to the application is not sent again either, as it would overtake that one.
 * - Twice: a script can answer with the very text that Redis uses. Such a script exists, so that Redis is asked; and if "NOSCRIPT"
 *   stands in its body or in its arguments the error is passed on unasked. So it is executed twice only if it makes the text of
 *   something else, such as data, and within the one round trip up to the question somebody else flushes all scripts. To what is sent
 *   to Redis on account of this text a direct connection would add the same: clients answer it with EVAL.
 */
export class Call extends Request {
  declare readonly session: Session
  /** What to send again; null if that would be wrong. */
  #again: Buffer | null
  #refusal = ''

  constructor(
    session: Session,
    spec: CommandSpec,
    deadline: number,
    private connection: UpstreamConnection,
    readonly script: Script,
    bytes: Buffer | null,
  ) {
    super(session, spec, session.context.clock.now, deadline)
    this.#again = bytes
  }

  /** From now on its errors are passed on. */
  forget(): void {
    this.#again = null
    if (this.session.scripts.newest === this) this.session.scripts.newest = null
  }

  /** It is sent to another server, which may not have the script. */
  movedTo(connection: UpstreamConnection): void {
    this.connection = connection
    if (this.route.endpoint.scripts.has(this.script, connection)) return
    load(this.session, this.route, connection, this.script, this.deadline)
  }

  override lose(loss: Loss): void {
    this.forget()
    super.lose(loss)
  }

  override reply(buf: Buffer, start: number, end: number, last: boolean): void {
    const isError = !this.begun && buf[start] === MINUS && end - start <= LONGEST_MISSING
    if (!isError || !MISSING.test(buf.toString('latin1', start, end))) {
      this.forget()
      return super.reply(buf, start, end, last)
    }
    if (this.#mayBeRepeated()) return this.#ask(buf.toString('latin1', start, end))
    this.route.endpoint.scripts.doubt(this.script)
    this.session.scripts.newest?.forget()
    this.forget()
    super.reply(buf, start, end, last)
  }

  #mayBeRepeated(): boolean {
    const { session, script, connection } = this
    if (this.#again === null || session.ring.at(session.ring.length - 1) !== this) return false
    // In other holds something may be sent before the answer to this one.
    if (session.held !== null && session.held !== 'drained' && session.held !== 'moving') return false
    if (connection.state.current !== 'ready' || this.route.endpoint.scripts.refused(script)) return false
    return !script.body.includes('NOSCRIPT') && !this.#again.includes('NOSCRIPT')
  }

  #ask(refusal: string): void {
    const { session, script, connection } = this
    this.#refusal = refusal
    if (session.held === null) session.hold('script')
    const answer = new StepReply(
      session.context.clock.now,
      this.deadline,
      (value) => this.#told(value),
      () => this.#passOn(),
    )
    connection.sendText(answer, command('SCRIPT', 'EXISTS', script.sha))
  }

  #told(exists: Value): void {
    const again = this.#again
    if (this.lost) return
    const { session, script, connection } = this
    const isMissing = Array.isArray(exists) && exists[0] === 0
    if (!isMissing || again === null || connection.state.current !== 'ready') return this.#passOn()
    const { context } = session
    context.recorder.retry('noscript')
    this.route.endpoint.scripts.forget()
    load(session, this.route, connection, script, this.deadline)
    this.forget()
    // As text, because nobody is reading from an application now, whose bytes would follow.
    connection.sendText(this, again.toString('latin1'))
    this.#release()
  }

  #passOn(): void {
    if (this.lost) return
    this.#release()
    this.finish(this.#refusal, true)
    this.session.settle()
  }

  #release(): void {
    if (this.session.held === 'script') this.session.unhold()
  }
}

/** A command that somebody else wants to hear about when it is answered. */
export class NotedRequest extends Request {
  constructor(
    session: Session,
    spec: CommandSpec,
    deadline: number,
    readonly noted: (failed: boolean) => void,
  ) {
    super(session, spec, session.context.clock.now, deadline)
  }

  override reply(buf: Buffer, start: number, end: number, last: boolean): void {
    const begins = !this.begun
    if (begins) this.noted(buf[start] === MINUS)
    super.reply(buf, start, end, last)
  }
}
