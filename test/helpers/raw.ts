import { connect, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { setImmediate as nextTurn } from 'node:timers/promises'

export type Argument = string | number | Buffer

/** A command as RESP: an array of bulk strings. */
export function encode(args: Argument[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`)]
  for (const arg of args) {
    const bytes = Buffer.isBuffer(arg) ? arg : Buffer.from(String(arg))
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'))
  }
  return Buffer.concat(parts)
}

/** The bytes in pieces of at most `size` bytes. */
export function pieces(bytes: Buffer, size: number): Buffer[] {
  const result: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) result.push(bytes.subarray(at, at + size))
  return result
}

/**
 * A connection that sends any bytes and gives back whole reply frames as the bytes they were. Shares no code with the
 * proxy, so that it can judge it.
 */
export class RawClient {
  readonly socket: Socket
  /** Settles when the connection is closed, by whichever side and for whichever reason. */
  readonly closed: Promise<void>
  #isClosed = false
  #error: Error | undefined
  #chunks: Buffer[] = []
  #length = 0
  /** No frame can be complete before this many bytes are here; spares rescanning a large one at each chunk. */
  #needed = 1
  #wake: () => void = () => undefined
  #queue: Promise<unknown> = Promise.resolve()

  /** To a TCP port on 127.0.0.1, or a unix socket's path. */
  static async connect(target: number | string): Promise<RawClient> {
    const socket = typeof target === 'number' ? connect(target, '127.0.0.1') : connect(target)
    socket.setNoDelay(true)
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return new RawClient(socket)
  }

  /** With TLS, to a port on 127.0.0.1 unless the options name another host. */
  static async connectTls(port: number, options: ConnectionOptions): Promise<RawClient> {
    const socket = connectTls({ host: '127.0.0.1', port, ...options })
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve)
      socket.once('error', reject)
    })
    return new RawClient(socket)
  }

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.#length += chunk.length
      if (this.#length >= this.#needed) this.#wake()
    })
    socket.on('error', (error) => (this.#error = error))
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#isClosed = true
        this.#wake()
        resolve()
      })
    })
  }

  send(bytes: Buffer | string): void {
    this.socket.write(bytes)
  }

  /** Sends each piece in a write of its own, a turn of the event loop apart, so that the other side sees the cuts. */
  async sendPieces(parts: Iterable<Buffer>): Promise<void> {
    for (const part of parts) {
      await new Promise<void>((resolve, reject) => {
        this.socket.write(part, (error) => (error ? reject(error) : resolve()))
      })
      await nextTurn()
    }
  }

  /** The next whole top-level frame. Calls are answered in order. Fails when the connection ends or time is up. */
  frame(timeoutMs = 10_000): Promise<Buffer> {
    const next = this.#queue.then(() => this.#nextFrame(timeoutMs))
    this.#queue = next.catch(() => undefined)
    return next
  }

  /** Sends one command and waits for one frame; in push mode the frame may be a push. */
  call(...args: Argument[]): Promise<Buffer> {
    this.send(encode(args))
    return this.frame()
  }

  /** The whole frames that are here, without waiting. Nobody else may wait for one. */
  take(): Buffer[] {
    const frames: Buffer[] = []
    for (let frame = this.#takeFrame(); frame !== undefined; frame = this.#takeFrame()) frames.push(frame)
    return frames
  }

  /** The bytes received and not yet given out as a frame. */
  get pending(): Buffer {
    return this.#joined()
  }

  close(): void {
    this.socket.destroy()
  }

  async #nextFrame(timeoutMs: number): Promise<Buffer> {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const frame = this.#takeFrame()
      if (frame) return frame
      if (this.#isClosed) {
        const why = this.#error ? `: ${this.#error.message}` : ''
        throw new Error(`connection closed${why}; unread: ${preview(this.#joined())}`)
      }
      const left = deadline - Date.now()
      if (left <= 0) throw new Error(`no whole frame within ${timeoutMs} ms; unread: ${preview(this.#joined())}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  #takeFrame(): Buffer | undefined {
    if (this.#length < this.#needed) return undefined
    const bytes = this.#joined()
    const end = frameEnd(bytes, 0)
    if (end < 0) {
      this.#needed = -end
      return undefined
    }
    this.#chunks = [bytes.subarray(end)]
    this.#length = bytes.length - end
    this.#needed = 1
    return bytes.subarray(0, end)
  }

  #joined(): Buffer {
    if (this.#chunks.length !== 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0]
  }
}

/** The end of the frame that starts at `from`; or, negated, the least total length at which to look again. */
export function frameEnd(bytes: Buffer, from: number): number {
  let left = 1
  let at = from
  while (left > 0) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd < 0) return -(bytes.length + 1)
    const kind = String.fromCharCode(bytes[at])
    const text = bytes.toString('latin1', at + 1, lineEnd)
    at = lineEnd + 2
    left--
    if (SIMPLE.has(kind)) continue
    const count = Number(text)
    if (!Number.isInteger(count)) throw new Error(`not a frame: ${kind}${text}`)
    if (BULK.has(kind)) {
      if (count >= 0) at += count + 2
      if (at > bytes.length) return -at
    } else if (kind in PER_ELEMENT) {
      if (count > 0) left += count * PER_ELEMENT[kind]
      // An attribute goes ahead of the value it speaks of; both are one frame.
      if (kind === '|') left++
    } else {
      throw new Error(`not a frame: ${kind}${text}`)
    }
  }
  return at
}

const SIMPLE = new Set(['+', '-', ':', '_', ',', '#', '('])
const BULK = new Set(['$', '!', '='])
const PER_ELEMENT: Record<string, number> = { '*': 1, '~': 1, '>': 1, '%': 2, '|': 2 }

function preview(bytes: Buffer): string {
  return bytes.length > 200
    ? `${JSON.stringify(bytes.toString('latin1', 0, 200))}…`
    : JSON.stringify(bytes.toString('latin1'))
}
