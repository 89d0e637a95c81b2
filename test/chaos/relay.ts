import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { Random } from '../conformance/garble.ts'
import { frameEnd } from '../helpers/raw.ts'
import { Pipe, type Shape } from './relay-pipe.ts'

/*
 * A relay of our own: those that exist (toxiproxy and its like) know bytes and time, but not where a frame begins, nor how to let one end of a
 * connection vanish, and both are needed here.
 *
 *     application ── near ─┬─ requests ─► far ── respool ── near ─┬─ requests ─► far ── Redis
 *                          └◄─ replies ──┘                        └◄─ replies ──┘
 *
 * One on each side of the proxy. A fault is in force from `begin` to `end`.
 */
export class Relay {
  readonly links = new Set<Link>()
  readonly #server: Server
  #fault: NetworkFault | null = null
  #acting: NodeJS.Timeout | null = null
  readonly random: Random
  /** How often a fault has happened to a connection. */
  happened = 0
  #before = 0

  static async start(
    target: number,
    side: Side,
    { host = '127.0.0.1', port = 0, seed = 1 }: { host?: string; port?: number; seed?: number } = {},
  ): Promise<Relay> {
    const relay = new Relay(target, side, seed)
    await new Promise<void>((resolve, reject) => {
      relay.#server.once('error', reject).listen(port, host, resolve)
    })
    return relay
  }

  private constructor(
    readonly target: number,
    readonly side: Side,
    seed: number,
  ) {
    this.random = new Random(seed)
    this.#server = createServer((near) => {
      const link = new Link(near, connect(target, '127.0.0.1'), side, this.random)
      this.links.add(link)
      link.onGone = () => this.links.delete(link)
      link.onSubject = () => this.#subject(link, true)
      link.onPoisoned = () => this.happened++
    })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  begin(fault: NetworkFault): void {
    this.#fault = fault
    this.#before = this.happened
    for (const link of this.links) if (link.isSubject) this.#subject(link, false)
    if (fault.act) this.#acting = setInterval(() => this.#act(fault), fault.every ?? 50)
  }

  end(): void {
    if (this.#acting) clearInterval(this.#acting)
    this.#fault = null
    for (const link of this.links) link.restore()
  }

  /** Closes all connections, and takes none any more. */
  stop(): void {
    if (this.#acting) clearInterval(this.#acting)
    this.#server.close()
    for (const link of this.links) link.reset()
  }

  #subject(link: Link, isNew: boolean): void {
    const fault = this.#fault
    if (!fault) return
    // At least one of them.
    if (this.happened > this.#before && this.random.below(100) >= (fault.share ?? 100)) return
    if (fault.mangle) {
      // Where frames begin is only known from the first one on.
      if (isNew) link.mangle(fault.mangle)
      else link.reset()
      return
    }
    this.happened++
    link.toProxy.shape = fault.toProxy ?? null
    link.fromProxy.shape = fault.fromProxy ?? null
  }

  #act(fault: NetworkFault): void {
    const links = [...this.links].filter(({ isSubject, isDoomed }) => isSubject && !isDoomed)
    if (links.length === 0) return
    this.happened++
    fault.act!(this.random.pick(links), this.random)
  }
}

/** Changes the replies on their way; answers what goes on in their place. */
export type Mangle = (frame: Buffer, nth: number, link: Link) => Buffer

/** Where a fault is: between applications and the proxy, or between it and Redis. */
export type Side = 'application' | 'redis'

export interface NetworkFault {
  readonly name: string
  readonly sides: readonly Side[]
  /** How bytes go to the proxy, and away from it. */
  readonly toProxy?: Shape
  readonly fromProxy?: Shape
  /** What happens to one connection after the other, and how often, ms. */
  readonly act?: (link: Link, random: Random) => void
  readonly every?: number
  /** What becomes of replies; connections are opened anew for it. */
  readonly mangle?: Mangle
  /** The part of the connections that it concerns, in a hundred: the others show that neighbours feel nothing. */
  readonly share?: number
  /** One session that waits for each reply: only then a reply too many can be told from the next one. */
  readonly isAlone?: boolean
}

/** One connection through a relay. */
export class Link {
  readonly requests: Pipe
  readonly replies: Pipe
  /** Only what respool has dialled, or been dialled by, has faults: sentinels and replicas do not. */
  isSubject = false
  /** True once it is about to end. */
  isDoomed = false
  /** True once bytes went in that must end it. */
  isPoisoned = false
  /** Requests without a reply, if replies are changed. */
  outstanding = 0
  /** True once the fault is over. */
  isCalm = false
  /** Where it is going to be cut. */
  #uncut: Pipe | null = null
  onGone: () => void = () => undefined
  onSubject: () => void = () => undefined
  onPoisoned: () => void = () => undefined

  constructor(
    readonly near: Socket,
    readonly far: Socket,
    readonly side: Side,
    readonly random: Random,
  ) {
    this.requests = new Pipe(near, far)
    this.replies = new Pipe(far, near)
    near.on('data', (chunk: Buffer) => {
      if (!this.isSubject && (side === 'application' || chunk.includes('respool'))) {
        this.isSubject = true
        this.onSubject()
      }
      this.requests.take(chunk)
    })
    far.on('data', (chunk: Buffer) => this.replies.take(chunk))
    this.#endTogether(near, this.requests, far)
    this.#endTogether(far, this.replies, near)
  }

  /** The direction to the proxy, and the other one. */
  get toProxy(): Pipe {
    return this.side === 'application' ? this.requests : this.replies
  }

  get fromProxy(): Pipe {
    return this.side === 'application' ? this.replies : this.requests
  }

  poison(): void {
    this.isPoisoned = true
    this.onPoisoned()
  }

  restore(): void {
    this.isCalm = true
    this.requests.shape = null
    this.replies.shape = null
    if (this.#uncut) {
      this.#uncut.filter = null
      this.isDoomed = false
    }
  }

  reset(): void {
    this.isDoomed = true
    for (const socket of [this.near, this.far]) socket.resetAndDestroy()
  }

  /** The other end is gone, and the proxy is not told. */
  vanish(): void {
    this.isDoomed = true
    const [inner, outer] = this.side === 'application' ? [this.far, this.near] : [this.near, this.far]
    inner.pause()
    outer.removeAllListeners('close')
    outer.destroy()
  }

  /** Lets only the beginning of the next piece through, and then ends. */
  cut(pipe: Pipe, how: 'reset' | 'end'): void {
    this.isDoomed = true
    this.#uncut = pipe
    pipe.filter = (chunk) => {
      this.#uncut = null
      const part = chunk.subarray(0, this.random.below(chunk.length))
      pipe.filter = () => null
      const end = () => {
        for (const socket of [this.near, this.far]) if (how === 'reset') socket.resetAndDestroy()
        if (how === 'end') pipe.sink.end(() => pipe.source.destroy())
      }
      if (part.length > 0) pipe.sink.write(part, end)
      else end()
      return null
    }
  }

  mangle(mangle: Mangle): void {
    let nth = 0
    this.requests.filter = byFrame((frame) => {
      this.outstanding++
      return frame
    })
    this.replies.filter = byFrame((frame) => {
      this.outstanding--
      return mangle(frame, nth++, this)
    })
  }

  #endTogether(socket: Socket, pipe: Pipe, other: Socket): void {
    socket.setNoDelay(true)
    let isReset = false
    socket.on('error', () => (isReset = true))
    socket.on('end', () => pipe.finish())
    socket.on('close', () => {
      this.onGone()
      if (isReset) other.resetAndDestroy()
      else pipe.finish()
    })
  }
}

/** Passes on whole frames, or what stands for them. */
function byFrame(change: (frame: Buffer) => Buffer): (chunk: Buffer) => Buffer {
  let bytes = Buffer.alloc(0)
  return (chunk) => {
    bytes = Buffer.concat([bytes, chunk])
    const whole: Buffer[] = []
    for (let end = endOf(bytes); end > 0; end = endOf(bytes)) {
      whole.push(change(bytes.subarray(0, end)))
      bytes = bytes.subarray(end)
    }
    return Buffer.concat(whole)
  }
}

const endOf = (bytes: Buffer) => (bytes.length === 0 ? 0 : frameEnd(bytes, 0))
