import { Flag } from '../commands/spec.js'
import type { ErrorCode } from '../errors.js'
import { ERROR_FRAMES } from '../errors.js'
import type { Recorder } from '../metrics/recorder.js'
import { command, OK } from '../resp/encode.js'
import { readRedirect } from '../resp/redirect.js'
import type { Topology } from '../routing/topology.js'
import type { Endpoint } from '../upstream/endpoint.js'
import type { Use } from '../upstream/lease-use.js'
import type { UpstreamConnection } from '../upstream/connection.js'
import { StepReply } from '../upstream/handshake.js'
import type { Loss } from '../upstream/pending.js'
import { cancelWait, type Waiter } from '../upstream/wait-queue.js'
import type { TurnClock } from '../util/clock.js'
import type { StateMachine } from '../util/state-machine.js'
import type { Kept, Repeatable } from './again.js'
import type { Mode } from './mode.js'
import type { Reads } from './reads/reads.js'
import { refusalOf } from './refusals.js'
import { concernOf, onlyReads, orderMatters } from './touching.js'
import type { Ways } from './ways.js'

/** How often a command is sent again. */
const MOST_HOPS = 16
/** After so many redirects nodes do not agree on who serves a slot, which takes them up to some seconds: from then on there are delays. */
const HOPS_AT_ONCE = 4
/** The first delay before a command is sent again to a cluster that could not serve it, ms; it doubles up to the longest. */
const FIRST_DELAY = 50
const LONGEST_DELAY = 800

const ASKING = command('ASKING')

/** What retries need of their session. */
export interface Repeater {
  readonly context: {
    readonly clock: TurnClock
    readonly recorder: Recorder
    readonly topology: Topology
    /** Commands of all sessions that wait to be sent again. */
    readonly retrying: { count: number; readonly most: number }
    readonly limits: { readonly leaseWait: number }
  }
  readonly ways: Ways
  readonly reads: Reads | null
  readonly mode: StateMachine<Mode>
  readonly closed: boolean
  /** The server that the last write went to. */
  written: Endpoint | null
  /** All waiting commands have been sent. */
  repeated(): void
  /** The keys that are watched are not watched any more. */
  dropLease(): void
}

interface Entry {
  readonly pending: Repeatable
  readonly kept: Kept
  /** Where it has to go; null for where its slot is then. */
  readonly to: Endpoint | null
  readonly asking: boolean
  /** When it may be sent, ms on the monotonic clock. */
  readonly due: number
  /** The answer if it is not sent again. */
  readonly error: string
  /** True if it was not sent yet: then it is the newest of the session, ahead of which everything else was sent. */
  readonly fresh: boolean
  /** One behind it was carried out that should have found it done, or undone: sent now, it would come too late. */
  overtaken: boolean
}

/** How a command is sent again, if not as soon as possible to where its slot is. */
type How = Partial<Pick<Entry, 'to' | 'asking' | 'due' | 'fresh'>> & {
  /** True if the server has named another one. */
  readonly follows?: boolean
}

/**
 * Commands of one session that were certainly not executed, or only read, and that are sent again.
 *
 *     MOVED, ASK ───────────────────────────────► list: [ oldest … newest ] ──(one after the other)──► a server
 *     TRYAGAIN, CLUSTERDOWN, … ───(a delay)───────►│
 *     connection lost ────────────────────────────►│     meanwhile the session takes no other commands
 *
 * Invariants: commands are sent again in the order in which they came. None is sent again behind a later one that has the same keys, that
 * may have been executed, and for which it matters what came first: if that one only reads, it is sent again too, and else the error
 * goes to the application. To know all those, all but redirects wait until everything that was sent has been answered. Whatever
 * they wait for, nobody waits here for longer than its time.
 */
export class Retries {
  readonly #list: Entry[] = []
  /** In which order those came that wait, or were sent again. */
  readonly #turns = new WeakMap<Kept, number>()
  #turn = 0
  #timer: NodeJS.Timeout | null = null
  /** When the timer rings, ms on the monotonic clock. */
  #wakesAt = Infinity
  #waiter: Waiter | null = null
  /** The connection that was waited for as a lease, and whose it is. */
  #lease: { readonly connection: UpstreamConnection; readonly endpoint: Endpoint } | null = null
  /** Why waiting was no use. */
  #refusal: ErrorCode | null = null
  /** True if nothing is sent before all that was sent is answered. */
  #waits = false
  #working = false

  constructor(readonly session: Repeater) {}

  get active(): boolean {
    return this.#list.length > 0
  }

  /** A server has answered with an error. True if the command will be sent again; else the error is its answer. */
  refused(pending: Repeatable, buf: Buffer, start: number, end: number): boolean {
    const refusal = refusalOf(buf, start, end)
    if (refusal === null) return false
    const { recorder, topology, clock } = this.session.context
    const { kept } = pending
    const { role, fitness } = pending.route.endpoint
    if (role === 'replica') {
      // It is one to the application too.
      if (refusal.label === 'readonly') return false
      fitness.avoid(clock.now)
    }
    if (kept === null) {
      topology.refresh()
      return false
    }
    const error = buf.toString('latin1', start, end)
    if (refusal.redirects) {
      if (!this.#redirected(pending, kept, error, refusal.label === 'ask')) return false
      recorder.redirect(refusal.label)
    } else {
      if (!this.#postponed(pending, kept, error)) return false
      recorder.retry(refusal.label)
    }
    return true
  }

  /** A connection has lost a command. True if it will be sent again. */
  lost(pending: Repeatable, loss: Loss): boolean {
    const kept = pending.kept!
    if (loss !== 'notSent' && !(loss === 'outcomeUnknown' && onlyReads(pending.spec))) {
      this.executed(pending, kept)
      return false
    }
    const { role, fitness } = pending.route.endpoint
    if (role === 'replica') fitness.avoid(this.session.context.clock.now)
    const error = ERROR_FRAMES[loss === 'notSent' ? loss : 'readLost']
    if (!this.#add(pending, kept, error)) return false
    this.#waits = true
    this.session.context.recorder.retry('lost')
    return true
  }

  /** There is no connection for the command now. */
  postpone(pending: Repeatable): void {
    if (this.#add(pending, pending.kept!, ERROR_FRAMES.slotNotServed, { fresh: true })) return
    this.session.context.recorder.error('heldExceeded')
    pending.giveUp(ERROR_FRAMES.heldExceeded)
  }

  /**
   * A command is about to be answered. True if it only reads, and what waits here should have been done before: then it is sent again.
   * @param whole true if that is its whole answer
   */
  outran(pending: Repeatable, kept: Kept, whole: boolean): boolean {
    if (!whole || !onlyReads(pending.spec)) return false
    const late = this.#behind(pending, kept)
    return late.length > 0 && this.#add(pending, kept, late[0].error)
  }

  /** A command was executed, or may have been. */
  executed(pending: Repeatable, kept: Kept): void {
    if (this.#list.length > 0) for (const entry of this.#behind(pending, kept)) entry.overtaken = true
  }

  /** Sends what can be sent. */
  next(): void {
    const { session } = this
    if (this.#working || this.#waiter !== null || session.closed || this.#list.length === 0) return
    this.#working = true
    if (this.#waits && session.ways.inflight > 0) {
      while (this.#list.length > 0 && this.#list[0].pending.deadline <= session.context.clock.tick())
        this.#giveUp(this.#list[0].error)
      if (this.#list.length > 0) this.#wakeAt(this.#list[0].pending.deadline)
    } else {
      this.#waits = false
      while (this.#list.length > 0 && this.#sendFirst());
    }
    this.#working = false
    if (this.#list.length === 0) session.repeated()
  }

  /** The session has gone. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (this.#waiter !== null) cancelWait(this.#waiter)
    this.session.context.retrying.count -= this.#list.splice(0).length
  }

  #redirected(pending: Repeatable, kept: Kept, error: string, asking: boolean): boolean {
    const { topology } = this.session.context
    const redirect = readRedirect(error)
    // A script can say anything.
    if (redirect === null || (kept.slot !== -1 && redirect.slot !== kept.slot)) return false
    const { slot, address } = redirect
    const from = pending.route.endpoint
    const to = asking ? topology.named(address, from) : topology.moved(slot, address, from)
    if (to === null) return false
    if (kept.use !== null) this.#waits = true
    // The topology knows by now, and may soon know better.
    const known = !asking && kept.slot !== -1
    // Other replicas may be as far behind.
    const waits = this.#staysOnReplicas(pending) ? kept.hops : kept.hops - HOPS_AT_ONCE
    const due = waits < 0 ? 0 : this.#dueLater(pending, waits)
    return this.#add(pending, kept, error, { to: known ? null : to, asking, due, follows: true })
  }

  #postponed(pending: Repeatable, kept: Kept, error: string): boolean {
    this.session.context.topology.refresh()
    // What a replica cannot serve its primary can, at once.
    const goesOn = pending.route.endpoint.role === 'replica' && !this.#staysOnReplicas(pending)
    if (!this.#add(pending, kept, error, { due: goesOn ? 0 : this.#dueLater(pending, kept.hops) })) return false
    if (!goesOn) this.#waits = true
    return true
  }

  #dueLater({ deadline }: Repeatable, delays: number): number {
    const delay = Math.min(FIRST_DELAY * 2 ** delays, LONGEST_DELAY) * (0.5 + Math.random())
    return Math.min(this.session.context.clock.now + delay, deadline)
  }

  #staysOnReplicas({ route }: Repeatable): boolean {
    return route.endpoint.role === 'replica' && this.session.reads?.isBound === true
  }

  #serverFor({ spec, route }: Repeatable, { slot }: Kept): Endpoint | null {
    const { reads, context } = this.session
    if (reads !== null) return reads.chooseAgain(spec, slot, route.endpoint)
    return slot === -1 ? context.topology.home : context.topology.primaryOf(slot)
  }

  #add(pending: Repeatable, kept: Kept, error: string, how: How = {}): boolean {
    const { clock, retrying } = this.session.context
    const { to = null, asking = false, due = 0, fresh = false, follows = false } = how
    if (kept.hops >= MOST_HOPS || pending.deadline <= clock.now) return false
    // What only has to go elsewhere waits for nothing.
    if (retrying.count >= retrying.most && !follows) return false
    kept.hops++
    retrying.count++
    const turn = this.#turns.get(kept) ?? ++this.#turn
    this.#turns.set(kept, turn)
    // What is refused once more still comes before all that came behind it.
    const place = this.#list.findLastIndex((entry) => this.#turns.get(entry.kept)! < turn) + 1
    this.#list.splice(place, 0, { pending, kept, to, asking, due, error, fresh, overtaken: false })
    pending.route.answered(this.session.ways.lease)
    // Not at once: its connection may be about to refuse, or lose, more.
    queueMicrotask(() => this.next())
    return true
  }

  /** Those that wait though they should have come before a command. */
  #behind({ spec, whole }: Repeatable, kept: Kept): Entry[] {
    const concern = concernOf(spec, kept)
    const turn = this.#turns.get(kept) ?? Infinity
    return this.#list.filter(({ pending, kept: other, fresh }) => {
      if (this.#turns.get(other)! > turn) return false
      // The parts of one command come in any order.
      if (fresh || (whole !== undefined && pending.whole === whole)) return false
      return orderMatters(concern, concernOf(pending.spec, other))
    })
  }

  /** Sends the oldest, or gives it up; false if it has to wait. */
  #sendFirst(): boolean {
    const [entry] = this.#list
    const { clock } = this.session.context
    const { kept, pending, error } = entry
    const refusal = this.#refusal
    this.#refusal = null
    const now = clock.tick()
    if (refusal !== null) return this.#giveUp(ERROR_FRAMES[refusal], refusal)
    if (entry.overtaken || pending.deadline <= now) return this.#giveUp(error)
    if (entry.due > now) return this.#wakeAt(entry.due)
    const endpoint = entry.to ?? this.#serverFor(pending, kept)
    if (endpoint === null) return this.#giveUp(error)
    const { mode, ways } = this.session
    const isFirst = pending.spec.name === 'watch' && mode.current === 'watching' && !ways.rewatched
    if (kept.use === 'brief' && !isFirst) {
      // Keys that are watched at the server before cannot be watched at this one from the same moment on.
      this.session.dropLease()
      kept.use = null
      if (pending.spec.name === 'watch') return this.#giveUp(OK)
    }
    const connection = kept.use === null ? this.#share(entry, endpoint) : this.#lend(kept.use, endpoint)
    if (connection === null) return false
    if (typeof connection === 'string') return this.#giveUp(ERROR_FRAMES[connection], connection)
    this.#send(entry, endpoint, connection)
    return true
  }

  /** A shared connection to the server; null if it has to be waited for. */
  #share({ pending }: Entry, endpoint: Endpoint): UpstreamConnection | ErrorCode | null {
    const route = this.session.ways.to(endpoint)
    if (route.connection?.usable === true) return route.connection
    // What is in flight there comes first: this is called again then.
    if (route.inflight > 0) return this.#wakeAt(pending.deadline) || null
    route.connection = route.lane.pick()
    if (route.connection !== null) return route.connection
    return this.#wait(endpoint, pending.deadline, (waiter) => endpoint.waitShared(route.lane, waiter))
  }

  /** A lease at the server; nothing else is in flight. */
  #lend(use: Use, endpoint: Endpoint): UpstreamConnection | ErrorCode | null {
    const { ways, context } = this.session
    if (ways.leaseRoute?.endpoint === endpoint && ways.lease?.usable === true) return ways.lease
    ways.giveBack()
    ways.goTo(endpoint)
    ways.leaseReason = use === 'brief' ? 'watch' : 'blocking'
    const ready = this.#lease?.endpoint === endpoint ? this.#lease.connection : null
    if (ready !== null) this.#lease = null
    const deadline = context.clock.now + context.limits.leaseWait
    const got = ready ?? this.#wait(endpoint, deadline, (waiter) => endpoint.lease(ways.route.lane, waiter, use))
    if (got !== null && typeof got !== 'string') ways.adopt(got)
    return got
  }

  #wait<T extends UpstreamConnection | ErrorCode | null>(
    endpoint: Endpoint,
    deadline: number,
    ask: (waiter: Waiter) => T,
  ): T {
    const end = (connection: UpstreamConnection | null, refusal: ErrorCode | null) => {
      this.#waiter = null
      this.#lease = connection === null ? null : { connection, endpoint }
      this.#refusal = refusal
      this.next()
      // It came too late, or the slot has moved on in the meantime.
      if (this.#lease !== null) endpoint.giveBack(this.#lease.connection, 'nothing')
      this.#lease = null
    }
    const waiter: Waiter = {
      deadline,
      queue: null,
      granted: (lease) => end(lease, null),
      refused: (code) => end(null, code),
    }
    const got = ask(waiter)
    if (got === null) this.#waiter = waiter
    return got
  }

  #send(entry: Entry, endpoint: Endpoint, connection: UpstreamConnection): void {
    const { pending, asking } = entry
    const { now } = this.session.context.clock
    this.#shift()
    pending.route = this.session.ways.to(endpoint)
    pending.route.inflight++
    if ((pending.spec.flags & Flag.write) !== 0) this.session.written = endpoint
    pending.movedTo?.(connection)
    if (asking) connection.sendText(new StepReply(now, pending.deadline, () => {}), ASKING)
    pending.sendOn(connection)
  }

  #giveUp(frame: string, code: ErrorCode | null = null): true {
    const { pending } = this.#shift()
    if (code !== null) this.session.context.recorder.error(code)
    // It counts as sent until it is complete.
    pending.route.inflight++
    pending.giveUp(frame)
    return true
  }

  #wakeAt(time: number): false {
    if (time >= this.#wakesAt) return false
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#wakesAt = time
    const wake = () => {
      this.#timer = null
      this.#wakesAt = Infinity
      this.next()
    }
    this.#timer = setTimeout(wake, Math.max(0, time - this.session.context.clock.now))
    return false
  }

  #shift(): Entry {
    this.session.context.retrying.count--
    return this.#list.shift()!
  }
}
