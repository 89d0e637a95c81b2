import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { frameEnd } from '../helpers/raw.ts'
import type { Random } from '../conformance/garble.ts'

/**
 * Where the connection of an application ends: at a command, of which nothing, half or all has been sent; or when its
 * answer has come as far as here, but not to the application.
 */
interface Point {
  readonly at: string
  readonly sent: 'nothing' | 'half' | 'all' | 'answered'
}

const POINTS: readonly Point[] = [
  { at: 'WATCH', sent: 'half' },
  { at: 'WATCH', sent: 'all' },
  { at: 'MGET', sent: 'all' },
  { at: 'MGET', sent: 'answered' },
  { at: 'MULTI', sent: 'half' },
  { at: 'MULTI', sent: 'all' },
  { at: 'SET', sent: 'half' },
  { at: 'SET', sent: 'all' },
  { at: 'RPUSH', sent: 'all' },
  { at: 'EXEC', sent: 'nothing' },
  { at: 'EXEC', sent: 'half' },
  { at: 'EXEC', sent: 'all' },
  { at: 'EXEC', sent: 'answered' },
]

const PARTS = { nothing: 0, half: 0.5, all: 1 }

/**
 * Stands between applications and a port, passes on what they say, and cuts some of them off at a random point of a transaction,
 * as if the application had been killed there: from the port's side nothing tells the difference.
 */
export class Severing {
  /** Connections cut off so far, by point. */
  readonly cuts = new Map<string, number>()
  readonly #server: Server
  readonly #open = new Set<Socket>()

  /** Cuts off `share` (0 … 1) of the transactions that begin with WATCH. */
  static async start(target: number, share: number, random: Random): Promise<Severing> {
    const severing = new Severing(target, share, random)
    await new Promise<void>((resolve) => severing.#server.listen(0, '127.0.0.1', resolve))
    return severing
  }

  private constructor(target: number, share: number, random: Random) {
    this.#server = createServer((application) => {
      for (const socket of [application, connect(target, '127.0.0.1')]) {
        socket.setNoDelay(true)
        socket.on('error', () => undefined)
        socket.once('close', () => this.#open.delete(socket))
        this.#open.add(socket)
      }
      this.#join(application, [...this.#open].at(-1)!, share, random)
    })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get count(): number {
    return [...this.cuts.values()].reduce((sum, count) => sum + count, 0)
  }

  stop(): void {
    for (const socket of this.#open) socket.destroy()
    this.#server.close()
  }

  #join(application: Socket, upstream: Socket, share: number, random: Random): void {
    /** Some applications' transactions arrive in one piece, others' command by command. */
    const inPieces = random.below(2) === 0
    let plan: Point | undefined
    let [awaiting, over, busy] = [false, false, false]
    let unsent = Buffer.alloc(0)

    const cut = (last: Buffer) => {
      over = true
      const name = `${plan!.at} ${plan!.sent}`
      this.cuts.set(name, (this.cuts.get(name) ?? 0) + 1)
      application.destroy()
      const end = () => (random.below(2) === 0 ? upstream.resetAndDestroy() : upstream.destroy())
      if (last.length > 0) upstream.write(last, end)
      else end()
    }
    /** Sends a command, or the part of it that is still to be sent. */
    const send = (frame: Buffer) => {
      const name = nameOf(frame)
      if (name === 'WATCH') plan = random.below(1000) < share * 1000 ? random.pick(POINTS) : undefined
      if (plan?.at === name && plan.sent !== 'answered') return cut(frame.subarray(0, frame.length * PARTS[plan.sent]))
      awaiting ||= plan?.at === name
      upstream.write(frame)
    }
    const sendAll = async () => {
      busy = true
      if (!inPieces) upstream.cork()
      while (!over && unsent.length > 0) {
        const end = frameEnd(unsent, 0)
        if (end <= 0) break
        const frame = unsent.subarray(0, end)
        unsent = unsent.subarray(end)
        send(frame)
        if (inPieces) await nextTurn()
      }
      upstream.uncork()
      busy = false
    }

    application.on('data', (chunk: Buffer) => {
      unsent = Buffer.concat([unsent, chunk])
      if (!busy) void sendAll()
    })
    upstream.on('data', (chunk: Buffer) => {
      if (over) return
      if (awaiting) cut(Buffer.alloc(0))
      else application.write(chunk)
    })
    application.once('close', () => over || upstream.destroy())
    upstream.once('close', () => application.destroy())
  }
}

/** The first argument of a command. */
function nameOf(frame: Buffer): string {
  return frame.toString('latin1', 0, 60).split('\r\n', 3)[2]?.toUpperCase() ?? ''
}
