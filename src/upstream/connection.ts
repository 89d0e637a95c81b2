import type { Socket } from 'node:net'
import type { Address } from '../config/config.js'
import { GREATER } from '../resp/bytes.js'
import { Output } from '../resp/output.js'
import { Carry, HEADROOM, READ_SIZE, type ReadBuffer, STREAM_FROM } from '../resp/read-buffer.js'
import { ReplyFault, ReplyScanner } from '../resp/reply-scanner.js'
import type { Recorder } from '../metrics/recorder.js'
import type { ClientTls } from '../tls/client.js'
import type { TurnClock } from '../util/clock.js'
import { Ring } from '../util/ring.js'
import { StateMachine } from '../util/state-machine.js'
import type { TurnQueue, TurnTask } from '../util/turn.js'
import type { CloseReason } from './close-reason.js'
import { dial } from './dial.js'
import type { Gather } from '../resp/gather.js'
import type { UpstreamLogin } from './login.js'
import type { LeaseHolder, Pending, PushReader, Relay } from './pending.js'

/**
 * The life of one socket to Redis.
 *
 *   commands ──► output ──(once per turn)──► socket ──► Redis
 *                                                         │
 *   inflight ring: [ oldest … newest ]                    │
 *      each reply belongs to the oldest  ◄── scanner ◄────┘
 *
 * Invariant: the ring holds, in order, exactly the commands whose answers have not come whole. So a reply without a command in the
 * ring, or bytes that are no reply, mean that nothing on this socket can be trusted: it is closed, never resynchronised.
 * An object serves one socket and is not revived.
 */
export type ConnectionState = 'connecting' | 'handshaking' | 'ready' | 'draining' | 'closed'

const MOVES: Record<ConnectionState, readonly ConnectionState[]> = {
  connecting: ['handshaking', 'closed'],
  handshaking: ['ready', 'closed'],
  ready: ['draining', 'closed'],
  draining: ['closed'],
  closed: [],
}

/** Unsent bytes at which a connection takes no further commands until they are gone. */
const CONGESTED_FROM = 1024 * 1024

/** Full reads in one turn: what comes on other connections is not to wait for all of a large reply. */
const READS_A_TURN = 4

/** Time to read what has come while reading had stopped, ms. */
const CATCH_UP = 1000

/** What a pool must hear of its connections. */
export interface ConnectionOwner {
  opened(connection: UpstreamConnection): void
  ready(connection: UpstreamConnection): void
  /** The last answer that was owed has come. */
  idle(connection: UpstreamConnection): void
  uncongested(connection: UpstreamConnection): void
  closed(connection: UpstreamConnection, reason: CloseReason, detail: string): void
}

/** What all upstream connections of the process share. */
export interface UpstreamContext {
  readonly reads: ReadBuffer
  /** The gather of the downstream side, whose ranges connections send. */
  readonly requests: Gather
  readonly turns: TurnQueue
  readonly recorder: Recorder
  readonly clock: TurnClock
  /** Null to dial in the clear. */
  readonly tls: ClientTls | null
  readonly login: UpstreamLogin
}

export interface DialOptions {
  address: Address
  /** ms before the first keepalive probe; 0 for none. */
  keepAlive: number
}

export class UpstreamConnection implements TurnTask {
  queued = false
  readonly state = new StateMachine<ConnectionState>(MOVES, 'connecting')
  readonly inflight = new Ring<Pending>()
  readonly openedAt: number
  /** When it last carried an application's command, and when it last answered anything, ms; kept by the sweep and the scanner. */
  lastUsed: number
  lastHeard: number
  /** When bytes came last, ms. */
  readAt = -Infinity
  /** What CLIENT SETNAME said of it last. */
  clientName = ''
  /** Commands of applications that it has carried. */
  carried = 0
  /** The era of what it is logged in with, and when it may be told to log in again, ms; kept by relogin.ts. */
  loginEra = 0
  loginDue = -Infinity
  /** When its life ends, ms on the monotonic clock; set by the pool. */
  retireAt = Infinity
  /** True while unsent bytes pile up. */
  congested = false
  /** True while the sweep finds its oldest command slow: neighbours go elsewhere. */
  slow = false
  /** True while a reply is passing in parts. */
  streaming = false
  /** True while reading has stopped, because the reader of a reply does not keep up. */
  paused = false

  /** Who has it as a lease. */
  holder: LeaseHolder | null = null
  /** Who hears what Redis says unasked. */
  pushes: PushReader | null = null
  readonly #socket: Socket
  readonly #output: Output
  readonly #scanner = new ReplyScanner()
  readonly #carry = new Carry()
  /** How much of the carry the scanner has taken in. */
  #scanned = 0
  /** Commands in the output, not yet written. */
  #batch = 0
  #relay: Relay | null = null
  /** The parts of a large push frame. */
  #pushed: Buffer[] = []
  #pushedBytes = 0
  #drainReason: CloseReason = 'idle'
  #resumedAt = -Infinity
  /** The turn in which it was read from last, and how often it may be still. */
  #turn = -1
  #readsLeft = 0
  readonly #readOn: TurnTask = { queued: false, run: () => this.#goOn() }

  constructor(
    { address, keepAlive }: DialOptions,
    readonly context: UpstreamContext,
    readonly owner: ConnectionOwner,
  ) {
    this.openedAt = this.lastUsed = this.lastHeard = context.clock.tick()
    this.#output = new Output(context.requests)
    const onread = { buffer: context.reads.target, callback: (size: number) => this.#read(size) }
    this.#socket = dial(address, context.tls, keepAlive, () => this.#opened(), onread)
    this.#socket.on('drain', () => this.#drained())
    this.#socket.once('error', (error) => this.#failed(error))
    this.#socket.once('end', () => this.#ended('closed by Redis'))
    this.#socket.once('close', () => this.#ended('closed'))
  }

  #opened(): void {
    this.state.to('handshaking')
    this.owner.opened(this)
  }

  #failed(error: Error): void {
    const { current } = this.state
    const detail = this.context.tls?.explain(error, current === 'handshaking') ?? error.message
    this.close(current === 'connecting' ? 'dial' : 'remote', detail)
  }

  /** It has had its time to become ready. */
  giveUp(): void {
    const shaking = this.context.tls !== null && this.state.current === 'connecting' && !this.#socket.connecting
    this.close(
      'dial',
      shaking ? 'timed out during the handshake of TLS: see that the server speaks it at this port' : 'timed out',
    )
  }

  /** True if a command sent now can expect its answer soon. */
  get prompt(): boolean {
    return this.state.current === 'ready' && !this.congested && !this.slow && !this.streaming && !this.paused
  }

  /** True if it takes commands at all. */
  get usable(): boolean {
    return this.state.current === 'ready' && !this.congested
  }

  /** Sends a whole command, whose bytes are copied before the read buffer is used again. */
  send(pending: Pending, buf: Buffer, start: number, end: number): void {
    this.inflight.push(pending)
    this.#batch++
    this.carried++
    this.context.requests.add(this.#output, buf, start, end)
    if (!this.queued) this.context.turns.add('upstream', this)
  }

  /** Sends an application's command as text, one character a byte: one that is kept, or that is sent again. */
  sendKept(pending: Pending, text: string): void {
    this.carried++
    this.sendText(pending, text)
  }

  /** The same with several commands in one text. */
  sendRun(pendings: readonly Pending[], text: string): void {
    for (const pending of pendings) this.inflight.push(pending)
    this.#batch += pendings.length
    this.carried += pendings.length
    this.#output.text(text)
    if (!this.queued) this.context.turns.add('upstream', this)
  }

  /** Sends a command of respool's own. */
  sendText(pending: Pending, text: string): void {
    this.inflight.push(pending)
    this.#batch++
    this.#output.text(text)
    if (!this.queued) this.context.turns.add('upstream', this)
  }

  /** Sends bytes that begin no command: the rest of a large one, or whatever a relayed session says. */
  sendPart(buf: Buffer, start: number, end: number): void {
    this.context.requests.add(this.#output, buf, start, end)
    this.context.turns.add('upstream', this)
  }

  /** From now on every byte belongs to one session, once respool's own commands that are in flight have been answered. */
  startRelay(relay: Relay): void {
    this.#relay = relay
  }

  markReady(): void {
    this.state.to('ready')
    this.owner.ready(this)
  }

  /** Takes no new commands, and leaves when nothing is in flight. */
  drain(reason: CloseReason): void {
    if (!this.state.can('draining')) return
    this.state.to('draining')
    this.#drainReason = reason
    if (this.inflight.length === 0) this.#leave()
  }

  /** True while Redis has been told, but has not ended its side: until then it counts this connection. */
  get leaving(): boolean {
    return this.state.current === 'draining' && this.inflight.length === 0
  }

  /** The connection counts as closed, and its place as free, only when Redis has closed it too. */
  #leave(): void {
    this.lastHeard = this.context.clock.now
    this.#socket.end()
  }

  /** Redis, or the network, has ended the connection: as it was asked to, or not. */
  #ended(detail: string): void {
    if (this.leaving) this.close(this.#drainReason, '')
    else this.#failed(new Error(detail))
  }

  /** Writes what was gathered in this turn. */
  run(): void {
    if (this.state.current === 'closed') return this.#output.clear()
    if (this.#batch > 0) this.context.recorder.batch(this.#batch)
    this.#batch = 0
    this.context.recorder.upstreamBytesOut += this.#output.writeTo(this.#socket)
    this.congested = this.#socket.writableLength > CONGESTED_FROM
  }

  /** Stops reading, because the reader of the current reply does not keep up. */
  pause(): void {
    this.paused = true
    this.#socket.pause()
  }

  resume(): void {
    this.paused = false
    this.#resumedAt = this.context.clock.now
    this.#goOn()
  }

  #goOn(): void {
    if (!this.paused && this.state.current !== 'closed') this.#socket.resume()
  }

  /** Gives up on commands whose time is over, and says how many they are; their answers, should they come, are dropped. */
  expire(now: number): number {
    if (this.paused || !this.#scanner.idle) return 0 // the oldest answer is coming
    if (now - this.#resumedAt < CATCH_UP) return 0 // it may have come long ago, and was not read
    let expired = 0
    for (let i = 0; i < this.inflight.length; i++) {
      const pending = this.inflight.at(i)!
      if (pending.lost) continue
      if (pending.deadline > now) break
      pending.lose('timedOut')
      expired++
    }
    if (expired > 0) this.drain('timeout')
    const newest = this.inflight.at(this.inflight.length - 1)
    if (this.state.current === 'draining' && newest?.lost === true)
      this.close('timeout', 'nobody waits for its answers')
    return expired
  }

  close(reason: CloseReason, detail: string): void {
    if (!this.state.can('closed')) return
    this.state.to('closed')
    this.#socket.destroy()
    this.#output.clear()
    this.owner.closed(this, reason, detail)
    this.#relay?.lost()
    this.pushes?.lost?.()
    // The newest commands may not have been written yet; the answer of the others is lost.
    let unsure = this.inflight.length - this.#batch
    for (let pending = this.inflight.shift(); pending !== undefined; pending = this.inflight.shift()) {
      const loss = unsure-- > 0 ? 'outcomeUnknown' : 'notSent'
      if (!pending.lost) pending.lose(loss)
    }
  }

  #drained(): void {
    if (!this.congested) return
    this.congested = false
    this.owner.uncongested(this)
    this.holder?.uncongested()
  }

  #read(size: number): boolean {
    if (this.state.current === 'closed') return false
    const { reads, recorder, clock, turns } = this.context
    if (this.#turn !== turns.number) {
      this.#turn = turns.number
      this.#readsLeft = READS_A_TURN
    }
    this.readAt = clock.tick()
    turns.beginRead()
    turns.stir()
    recorder.upstreamBytesIn += size
    try {
      this.#scan(HEADROOM + size)
    } catch (error) {
      if (!(error instanceof ReplyFault)) throw error
      this.close('fault', error.message)
    }
    reads.gather.close()
    turns.endRead()
    if (--this.#readsLeft > 0 || this.paused || size < READ_SIZE) return true
    turns.add('resume', this.#readOn)
    return false
  }

  #scan(end: number): void {
    const bytes = this.context.reads.bytes
    let frame = this.#carry.restore(this.context.reads, end)
    let pos = frame + this.#scanned
    while (pos < end) {
      if (this.#relay !== null && this.inflight.length === 0) {
        this.#relay.bytes(bytes, frame, end)
        frame = pos = end
        break
      }
      const whole = this.#scanner.scan(bytes, pos, end)
      pos = this.#scanner.pos
      if (!whole) break
      this.#deliver(bytes, frame, pos)
      if (this.state.current === 'closed') return
      frame = pos
    }
    if (this.streaming || this.#pushed.length > 0 ? pos > frame : pos - frame > STREAM_FROM) {
      this.#deliverPart(bytes, frame, pos)
      frame = pos
    }
    this.#scanned = pos - frame
    this.#carry.keep(bytes, frame, end)
    if (this.inflight.length === 0 && this.#relay === null) this.#answered()
  }

  #deliver(bytes: Buffer, start: number, end: number): void {
    if (this.#pushed.length > 0) {
      const frame = Buffer.concat([...this.#pushed.splice(0), bytes.subarray(start, end)])
      this.#pushedBytes = 0
      return this.#deliver(frame, 0, frame.length)
    }
    if (!this.streaming && bytes[start] === GREATER && this.pushes?.push(bytes, start, end) !== true) return
    const pending = this.inflight.shift()
    if (pending === undefined) throw new ReplyFault('a reply that nobody asked for')
    this.streaming = false
    if (!pending.lost) pending.reply(bytes, start, end, true)
    else pending.late?.(bytes, start, end)
  }

  #deliverPart(bytes: Buffer, start: number, end: number): void {
    if (this.#pushed.length > 0 || (!this.streaming && bytes[start] === GREATER)) {
      // It may concern many: it is put together, so that each of them gets it whole.
      this.#pushed.push(Buffer.copyBytesFrom(bytes, start, end - start))
      this.#pushedBytes += end - start
      if (this.#pushedBytes > (this.pushes?.mostPushBytes ?? Infinity))
        this.close('fault', 'a push frame that is too large')
      return
    }
    const pending = this.inflight.peek()
    if (pending === undefined) throw new ReplyFault('a large reply that nobody asked for')
    this.streaming = true
    if (!pending.lost) pending.reply(bytes, start, end, false)
  }

  #answered(): void {
    this.lastHeard = this.context.clock.now
    this.slow = false
    if (this.state.current === 'draining') this.#leave()
    else if (this.state.current === 'ready') this.owner.idle(this)
  }
}
