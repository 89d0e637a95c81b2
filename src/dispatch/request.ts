import { Flag, type CommandSpec } from '../commands/spec.js'
import { ERROR_FRAMES } from '../errors.js'
import { BANG, MINUS } from '../resp/bytes.js'
import { OK } from '../resp/encode.js'
import { TEXT_LIMIT } from '../resp/output.js'
import type { Recorder } from '../metrics/recorder.js'
import type { UpstreamConnection } from '../upstream/connection.js'
import type { Loss, Pending } from '../upstream/pending.js'
import type { Ring } from '../util/ring.js'
import type { Kept, Repeatable } from './again.js'
import type { Downstream } from './downstream.js'
import type { Route } from './route.js'

/** Puts something right in a reply. */
export interface Alteration {
  /** The frame to pass on instead, or null for the one that came. */
  alter(frame: Buffer): string | null
}

/** Commands that are sent again only together. */
export interface Run {
  /** True if a reply, or a loss, is not to be made known now. */
  holdsBack(member: Request, buf: Buffer, start: number, end: number, last: boolean): boolean
  holdsLoss(member: Request, loss: Loss): boolean
}

/** What a request needs of its session. */
export interface RequestOwner {
  readonly closed: boolean
  readonly context: { readonly recorder: Recorder; readonly keeps: boolean }
  readonly downstream: Downstream
  /** Where the command at hand goes. */
  readonly route: Route
  /** The requests whose replies have not left, in order. */
  readonly ring: Ring<Request>
  /** Its answer has come whole from Redis. */
  answered(request: Request): void
  /** Its reply is complete, wherever it came from. */
  complete(request: Request): void
  /** Redis answers with this error: true if the command is sent again, so that this is not its answer. */
  refused(request: Repeatable, buf: Buffer, start: number, end: number): boolean
  /** It is about to be answered: true if it is sent again, so that this is not its answer. */
  outran(request: Repeatable, whole: boolean): boolean
  /** Its connection has lost the command: true if it is sent again. */
  lost(request: Repeatable, loss: Loss): boolean
  settle(): void
  abort(): void
}

/**
 * One command on its way: in the session's ring from its arrival until its reply has left, and in an upstream
 * connection's ring while that owes the answer.
 */
export class Request implements Pending, Repeatable {
  lost = false
  /** True if the application gets no reply to it, because of CLIENT REPLY. */
  silent = false
  /** True once the reply is complete. */
  done = false
  /** True if the reply is an error. */
  failed = false
  /** True for the last command of what one read brought, if that was several. */
  endsPipeline = false
  /** How long it had to wait until it could be sent, ms. */
  waited = 0
  /** Its size in bytes, and the number of its arguments; 0 if they are not known. */
  sent = 0
  argc = 0
  /** Size of the reply as far as it has come, bytes. */
  size = 0
  /** True once part of the reply is there. */
  begun = false
  alteration: Alteration | null = null
  /** Where it was sent last. */
  route: Route
  /** Null if it is never sent again. */
  kept: Kept | null = null
  /** The run that it is part of, if that is kept. */
  run: Run | null = null
  /** The parts of a reply that is to be altered. */
  #unaltered: Buffer[] | null = null
  /** Reply bytes that wait for the replies in front of them. */
  #held: (Buffer | string)[] | null = null

  constructor(
    readonly session: RequestOwner,
    readonly spec: CommandSpec,
    readonly since: number,
    public deadline: number,
  ) {
    this.route = session.route
  }

  /** Whether parts of it are sent in its place. */
  get apart(): boolean {
    return false
  }

  reply(buf: Buffer, start: number, end: number, last: boolean): void {
    const session = this.session
    const type = buf[start]
    if (this.run !== null && this.run.holdsBack(this, buf, start, end, last)) return
    const begins = !this.begun && this.#unaltered === null
    if (begins && session.context.keeps) {
      const again = type === MINUS ? last && session.refused(this, buf, start, end) : session.outran(this, last)
      if (again) return
    }
    if (this.alteration !== null) return this.#alter(buf, start, end, last)
    if (!this.begun) {
      this.begun = true
      this.failed = type === MINUS || type === BANG
    }
    this.size += end - start
    if (this.silent) this.#sayNothing()
    else if (session.ring.peek() === this) session.downstream.write(buf, start, end)
    else this.#keep(buf, start, end)
    if (last) session.answered(this)
  }

  /** Short text costs less to keep than a buffer of its own. */
  #keep(buf: Buffer, start: number, end: number): void {
    const part =
      end - start <= TEXT_LIMIT ? buf.toString('latin1', start, end) : Buffer.copyBytesFrom(buf, start, end - start)
    this.#hold(part)
  }

  #hold(part: string | Buffer): void {
    ;(this.#held ??= []).push(part)
    this.session.downstream.keeping.waits(part.length)
  }

  #alter(buf: Buffer, start: number, end: number, last: boolean): void {
    ;(this.#unaltered ??= []).push(Buffer.copyBytesFrom(buf, start, end - start))
    if (!last) return
    const frame = Buffer.concat(this.#unaltered)
    const altered = this.alteration!.alter(frame)
    this.alteration = null
    const reply = altered === null ? frame : Buffer.from(altered, 'latin1')
    this.reply(reply, 0, reply.length, true)
  }

  lose(loss: Loss): void {
    const session = this.session
    if (this.run !== null && !session.closed && this.run.holdsLoss(this, loss)) return
    if (!this.begun && this.kept !== null && !session.closed && session.lost(this, loss)) return
    this.lost = true
    if (session.closed) return
    // An error cannot follow the first half of a reply.
    if (this.begun && !this.silent) return session.abort()
    // EXEC will tell. A library would not read on behind a MULTI that fails, and give its connection up.
    if (this.spec.name === 'multi') return this.#lostBut(OK)
    const harmless = loss === 'outcomeUnknown' && (this.spec.flags & Flag.readonly) !== 0
    const code = harmless ? 'readLost' : loss
    session.context.recorder.error(code)
    this.#lostBut(ERROR_FRAMES[code])
  }

  sendOn(connection: UpstreamConnection): void {
    connection.sendKept(this, this.kept!.text)
  }

  giveUp(frame: string): void {
    this.lost = true
    this.#lostBut(frame)
  }

  /** It is lost, and this is said in place of a reply. */
  #lostBut(frame: string): void {
    this.finish(frame, frame.startsWith('-'))
    this.session.settle()
  }

  /** Completes the request with a reply of respool's own. */
  finish(text: string, failed: boolean): void {
    this.failed = failed
    this.begun = true
    if (this.silent) this.#sayNothing()
    else if (this.session.ring.peek() === this) this.session.downstream.writeText(text)
    else this.#hold(text)
    this.session.complete(this)
  }

  /** It may be the last reply of a connection that is to end behind it. */
  #sayNothing(): void {
    this.session.downstream.writeText('')
  }

  /** Sends what was held back; the replies in front have left. */
  release(): void {
    if (this.#held === null) return
    for (const part of this.#held) {
      this.session.downstream.keeping.waits(-part.length)
      if (typeof part === 'string') this.session.downstream.writeText(part)
      else this.session.downstream.write(part, 0, part.length)
    }
    this.#held = null
  }
}
