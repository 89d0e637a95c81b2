import type { Socket } from 'node:net'
import type { Place } from '../config/config.js'
import { beginLarge, endLarge } from '../dispatch/guarded/large.js'
import { dispatchNamed } from '../dispatch/named.js'
import { type Frame, ownFrame } from '../dispatch/send.js'
import { relayBytes } from '../dispatch/relay.js'
import type { Downstream, Keeping } from '../dispatch/downstream.js'
import { holdForMove, pack, unpack } from '../dispatch/luggage.js'
import type { LargeRequest } from '../dispatch/large-request.js'
import { Session } from '../dispatch/session.js'
import { ERRORS, type ErrorCode } from '../errors.js'
import { Arguments, argumentStart } from '../resp/arguments.js'
import { headerValue } from '../resp/header.js'
import { command, error } from '../resp/encode.js'
import { splitInline } from '../resp/inline.js'
import { Output } from '../resp/output.js'
import { Carry, HEADROOM, STREAM_FROM } from '../resp/read-buffer.js'
import { OF_STRANGERS, RequestScanner, Scan } from '../resp/request-scanner.js'
import type { TurnTask } from '../util/turn.js'
import { addressesOf, adopt, canLeave, unsentBytes } from './accept.js'
import type { Arrival, ConnectionOptions, DownstreamContext } from './context.js'
import { mayLeave, owesForEver, type Urgency } from './ending.js'
import { observeRead } from './observing.js'
import { Unread } from './unread.js'

/** Reading goes on behind a held command as far as this: only so is it noticed that the application has gone. */
const HELD_BYTES = 16 * 1024

/** How often replies to a pipeline linger because other servers have not answered their part of it yet: one write costs more than all else. */
const LINGERS = 2

/** How long an application may take to end its side of a connection that was ended here, ms. */
const END_TIME = 1000

/** The command at hand, of whichever connection: there is only one at a time. */
const frameAtHand: Frame = { buf: Buffer.alloc(0), start: 0, end: 0, argc: 0, inHand: 0, commands: 0 }

/**
 * One application's connection.
 *
 *   socket ──► carry + read ──► scanner ──► dispatch(session) ──► upstream
 *                  ▲               │ not now: the rest is carried, reading stops
 *                  └─── resume ◄───┘
 *   socket ◄── output (one write per turn) ◄── the session's replies, in order
 *
 * Invariant: bytes are worked off strictly in order. Whatever could not be taken in is in the carry and is taken in before anything
 * that is read later; while the session holds a command or replies go unread, next to nothing more is read.
 */
export class DownstreamConnection implements Downstream, TurnTask {
  queued = false
  readonly session: Session
  readonly remoteAddress: string
  readonly localAddress: string
  readonly #socket: Socket
  readonly #output: Output
  readonly #scanner: RequestScanner
  readonly #carry = new Carry()
  /** How much of the carry the scanner has taken in. */
  #scanned = 0
  #large: LargeRequest | null = null
  /** A large command that was put together and has to wait. */
  #waiting: Frame | null = null
  readonly #unread: Unread
  readonly keeping: Keeping
  /** How often what was gathered has lingered. */
  #lingered = 0
  /** True after the last reply was decided on. */
  #finishing = false
  /** True after the application said that it sends no more. */
  #ended = false
  /** When the application has had its time to end its side too, ms. */
  #endsAt = Infinity
  readonly #resumption: TurnTask = { queued: false, run: () => this.#resume() }

  constructor(
    accepted: Socket,
    readonly context: DownstreamContext,
    /** The address of its listener, as configured. */
    readonly at: string,
    readonly options: ConnectionOptions,
    readonly onClosed: (connection: DownstreamConnection) => void,
    arrival: Arrival | null = null,
  ) {
    const { remote, local } = addressesOf(accepted, at)
    this.remoteAddress = remote
    this.localAddress = local
    const { registry } = context.dispatch
    this.session = new Session(arrival?.id ?? registry.takeId(), context.dispatch, this, options)
    registry.add(this.session)
    this.keeping = this.#unread = new Unread(this.session, context.limits, context.buffered, options.allowance)
    this.#output = new Output(context.replies)
    this.#scanner = new RequestScanner(context.limits)
    this.trust(this.session.mode.current !== 'locked')
    this.#socket = adopt(accepted, context.reads, (size) => this.#read(size))
    this.#socket.on('drain', () => this.#drained())
    this.#socket.on('end', () => this.#end())
    this.#socket.on('error', () => this.destroy('error'))
    this.#socket.on('close', () => this.destroy('closed'))
    if (arrival !== null) this.#arrive(arrival)
    if (this.session.mode.current === 'locked') context.dispatch.door.arrive(this.session)
  }

  // Downstream

  get announce(): Place | null {
    return this.options.announce
  }

  write(buf: Buffer, start: number, end: number): void {
    this.context.replies.add(this.#output, buf, start, end)
    if (!this.queued) this.context.turns.add('downstream', this)
  }

  writeShared(part: string | Buffer): void {
    if (typeof part === 'string') this.#output.text(part)
    else this.#output.shared(part)
    if (!this.queued) this.context.turns.add('downstream', this)
  }

  writeText(text: string): void {
    this.#output.text(text)
    // A short command may have a long answer, and many of them may have come at once.
    const { bytes } = this.#output
    if (bytes > this.context.limits.outputBytes) this.#unread.update(bytes + this.#socket.writableLength)
    if (!this.queued) this.context.turns.add('downstream', this)
  }

  trust(known: boolean): void {
    this.#scanner.limits = known ? this.context.limits : { ...this.context.limits, ...OF_STRANGERS }
  }

  resume(): void {
    this.context.turns.add('resume', this.#resumption)
  }

  finish(): void {
    this.#finishing = true
    this.context.turns.add('downstream', this)
  }

  destroy(reason: string): void {
    if (this.session.closed) return
    this.context.dispatch.log.event('debug', 'connection_closed', { id: this.session.id, reason })
    if (reason === 'slow') this.context.dispatch.recorder.slowSubscribers++
    this.session.close()
    this.#unread.close()
    this.#output.clear()
    this.#socket.destroy()
    this.onClosed(this)
  }

  /** Writes what was gathered in this turn. */
  run(): void {
    if (this.session.closed) return
    if (this.session.awaitsRest && this.#lingered < LINGERS) {
      this.#lingered++
      return this.context.turns.linger(this)
    }
    this.#lingered = 0
    const written = this.#output.writeTo(this.#socket)
    this.context.dispatch.recorder.bytesOut += written
    this.session.account.bytesOut += written
    this.#accountUnread()
    if (this.#unread.tooMuch) return this.destroy('slow')
    if (!this.#finishing || this.session.ring.length > 0) return
    this.session.subscriber?.leave()
    this.#socket.end(() => this.#awaitEnd())
  }

  // Reading

  #read(size: number): void {
    if (this.session.closed || this.#finishing) return
    const { recorder, clock } = this.context.dispatch
    recorder.bytesIn += size
    this.session.account.bytesIn += size
    this.session.lastActive = clock.tick()
    this.context.turns.beginRead()
    this.#process(HEADROOM + size)
    this.context.turns.endRead()
  }

  #resume(): void {
    if (this.session.closed || this.#finishing || this.#waits) return
    this.context.dispatch.clock.tick()
    this.#process(HEADROOM)
    if (!this.#waits) this.#socket.resume()
    if (this.#ended) this.#end()
  }

  /** Works off the carry and what was read behind it, up to `end`. */
  #process(end: number): void {
    const { reads } = this.context
    const bytes = reads.bytes
    let frame = this.#carry.restore(reads, end)
    let pos = frame + this.#scanned
    let commands = 0
    this.#scanned = 0
    this.#takeWaiting()
    while (pos < end && this.session.held === null && !this.#unread.choked) {
      // What may be denied has to be found among the bytes.
      if (this.session.mode.current === 'relaying' && !this.session.guard.denies) {
        if (relayBytes(this.session, bytes, frame, end)) frame = pos = end
        break
      }
      if (this.session.ring.length >= this.session.window.size) {
        this.session.hold('outstanding')
        break
      }
      const outcome = this.#scanner.scan(bytes, frame, pos, end)
      pos = this.#scanner.pos
      if (outcome === Scan.more) break
      frameAtHand.end = pos
      frameAtHand.inHand = end
      frameAtHand.commands = 1
      if (!this.#take(outcome, bytes, frame, pos)) {
        pos = frame
        break
      }
      commands += frameAtHand.commands
      frame = pos = frameAtHand.end
      if (this.session.closed || this.#finishing) return reads.gather.close()
    }
    if (pos > frame && this.session.held === null) frame = this.#streamLarge(bytes, frame, pos)
    this.#scanned = pos - frame
    this.#carry.keep(bytes, frame, end)
    if (this.#waits && this.#carry.length > (this.session.held === null ? 0 : HELD_BYTES)) this.#socket.pause()
    reads.gather.close()
    if (commands > 0) observeRead(this.session, commands, this.options.allowance)
  }

  /** Takes in what a scan found; false if that has to wait. */
  #take(outcome: Scan, bytes: Buffer, frame: number, end: number): boolean {
    switch (outcome) {
      case Scan.command:
        if (this.#large !== null) return this.#endLarge(bytes, frame, end)
        if (!this.#scanner.canonical) return this.#takeArguments(new Arguments(bytes, frame, end).texts())
        frameAtHand.buf = bytes
        frameAtHand.start = frame
        frameAtHand.argc = this.#scanner.argc
        return dispatchNamed(this.session, frameAtHand, this.#scanner.nameOffset, this.#scanner.nameLength)
      case Scan.inline: {
        const args = splitInline(bytes.toString('latin1', frame, end - 1))
        if (args === null) this.#refuse('inlineUnbalanced')
        if (args?.length === 0) this.session.takeSilence()
        return args === null || args.length === 0 || this.#takeArguments(args)
      }
      case Scan.bad:
        this.#refuse(this.#scanner.error)
        return true
      case Scan.empty: // which Redis does not answer, but counts as the command whose reply is to be left out
        this.session.takeSilence()
        return true
      case Scan.more:
        return true
    }
  }

  /** Takes in a command that did not come as a canonical frame. */
  #takeArguments(args: readonly string[]): boolean {
    return this.#dispatchText(ownFrame(command(...args), args.length))
  }

  #dispatchText(frame: Frame): boolean {
    const { buf, end } = frame
    const name = argumentStart(buf, 0, end, 0)
    return dispatchNamed(this.session, frame, name, headerValue)
  }

  /** Passes on what there is of a large frame; answers where the rest begins. */
  #streamLarge(bytes: Buffer, frame: number, pos: number): number {
    if (this.#large === null) {
      if (pos - frame <= STREAM_FROM || this.#scanner.idle) return frame
      const { nameOffset, nameLength } = this.#scanner
      const name = nameLength < 0 ? null : bytes.subarray(frame + nameOffset, frame + nameOffset + nameLength)
      this.#large = beginLarge(this.session, name, bytes, frame, pos)
      if (this.#large === null) return frame
    }
    this.#large.part(bytes, frame, pos)
    return pos
  }

  #endLarge(bytes: Buffer, frame: number, end: number): boolean {
    this.#waiting = this.#large!.end(bytes, frame, end)
    endLarge(this.session, this.#large!)
    this.#large = null
    this.#takeWaiting()
    return true
  }

  /** Nothing that came behind it is taken before. */
  #takeWaiting(): void {
    if (this.#waiting !== null && this.session.held === null && this.#dispatchText(this.#waiting)) this.#waiting = null
  }

  /** Says what is wrong with the bytes, behind the replies that are owed, and ends the connection. */
  #refuse(code: ErrorCode): void {
    const { table, recorder } = this.context.dispatch
    // Redis shows the offending byte as a character, line ends as spaces and NUL as the end.
    const byte = String.fromCharCode(this.#scanner.errorByte).replace(/[\r\n]/, ' ')
    recorder.error(code)
    this.session.answer(table.other, error(ERRORS[code].text.replace('%', byte)), true)
    this.finish()
  }

  // Back-pressure and ends

  /** One read is still let in by a choked connection, to see whether it has more to say. */
  #accountUnread(): void {
    const { writableLength } = this.#socket
    if (!this.#unread.update(writableLength)) return
    // Node tells of an end only behind writes that are not small.
    if (writableLength === 0) this.#drained()
    else if (this.#carry.length > 0) this.#socket.pause()
  }

  #drained(): void {
    if (this.#unread.drained()) this.resume()
  }

  /** The application sends no more: what it is owed still goes out, unless that may never come. */
  #end(): void {
    this.#ended = true
    const { session } = this
    if (this.#endsAt !== Infinity) return this.destroy('finished')
    if (owesForEver(session) || this.#large !== null) return this.destroy('gone')
    // Held commands come first; this is called again after them.
    if (!this.#waits) this.finish()
  }

  /**
   * Everything is written. What still comes is dropped, not executed: to close at once would make the system answer it with a
   * reset, and forget replies that have not been read.
   */
  #awaitEnd(): void {
    if (this.#ended) return this.destroy('finished')
    this.#endsAt = this.context.dispatch.clock.now + END_TIME
    this.#socket.resume()
  }

  /** Ends the connection if that breaks nothing off; true if so. */
  leave(urgency: Urgency): boolean {
    if (this.#finishing || this.#unread.choked || this.#resumption.queued) return false
    if (this.#isUnfinished() || !mayLeave(this.session, urgency)) return false
    this.finish()
    return true
  }

  #arrive({ luggage, rest = '' }: Arrival): void {
    if (luggage !== undefined) unpack(this.session, luggage)
    this.#carry.keep(Buffer.from(rest, 'latin1'), 0, rest.length)
    this.resume()
  }

  /** Takes in nothing more if it can move to another process; true once nothing is owed here. Called again and again. */
  readyToMove(): boolean {
    const { session } = this
    if (session.closed || this.#finishing || this.#ended || this.#large !== null || this.#waiting !== null) return false
    if (!canLeave(this.#socket) || !holdForMove(session)) return false
    this.#socket.pause()
    const unsent = this.#output.bytes + this.#socket.writableLength + unsentBytes(this.#socket)
    return session.ring.length === 0 && !this.queued && unsent === 0
  }

  /** Gives away its socket, and all that another process has to know of it. */
  move(): { socket: Socket; arrival: Arrival } {
    const arrival = { id: this.session.id, luggage: pack(this.session), rest: this.#carry.text() }
    this.#socket.removeAllListeners()
    this.session.close()
    this.#unread.close()
    this.onClosed(this)
    return { socket: this.#socket, arrival }
  }

  /** Called several times a second: ends the connection if it has been in the way, or of no use, for too long. */
  sweep(now: number): void {
    if (now > this.#endsAt) return this.destroy('finished')
    const { stallTimeout, idleTimeout } = this.context.limits
    this.#accountUnread()
    if (this.#unread.sweep(now, unsentBytes(this.#socket), this.#carry.length > 0)) this.resume()
    if (this.#unread.isStuck(now)) return this.destroy(this.session.subscribed ? 'slow' : 'does not read')
    const silent = now - this.session.lastActive
    // A large command has its place among the replies, which nothing can take any more.
    if (silent > stallTimeout && this.#isUnfinished() && this.#large === null) this.#refuse('stalled')
    else if (silent > stallTimeout && this.#isUnfinished()) this.destroy('stalled')
    else if (idleTimeout > 0 && silent > idleTimeout && this.session.isIdle) this.destroy('idle')
  }

  /** True while no command is taken in. */
  get #waits(): boolean {
    return this.session.held !== null || this.#unread.choked
  }

  /** True if the rest of a command is missing. */
  #isUnfinished(): boolean {
    if (this.#finishing || this.#waits || this.session.mode.current === 'relaying') return false
    return this.#carry.length > 0 || !this.#scanner.idle
  }
}
