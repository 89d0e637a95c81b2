import type { CommandSpec } from '../commands/spec.js'
import { MINUS } from '../resp/bytes.js'
import type { UpstreamConnection } from '../upstream/connection.js'
import { Request, type RequestOwner } from './request.js'

/**
 * How the errors begin with which Redis answers an EXEC that ended its transaction, or had none: its own, and in a cluster those of
 * routing. Without a transaction to end there is none left either.
 */
const ENDS = /^-(EXECABORT|ERR EXEC without MULTI|MOVED|ASK|CROSSSLOT|CLUSTERDOWN|TRYAGAIN)/
const LONGEST_END = 24

/** The EXEC of a run. */
export class RunEnd extends Request {
  constructor(
    session: RequestOwner,
    spec: CommandSpec,
    since: number,
    deadline: number,
    public connection: UpstreamConnection,
  ) {
    super(session, spec, since, deadline)
  }

  override reply(buf: Buffer, start: number, end: number, last: boolean): void {
    const begins = !this.begun
    super.reply(buf, start, end, last)
    if (begins && this.failed) this.#check(buf, start, end)
  }

  /** The session has gone, but those who share the connection have not. */
  late(buf: Buffer, start: number, end: number): void {
    if (buf[start] === MINUS) this.#check(buf, start, end)
  }

  /**
   * An EXEC may have failed and the transaction go on, as when it has been renamed. Redis still queues, and what the next sessions
   * sent would be answered with QUEUED: none of their answers has been read yet, and none will be.
   */
  #check(buf: Buffer, start: number, end: number): void {
    const text = buf.toString('latin1', start, Math.min(end, start + LONGEST_END))
    if (!ENDS.test(text)) this.connection.close('fault', 'EXEC did not end the transaction')
  }
}
