import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Carrier } from './carrier.ts'
import type { Operation } from './operation.ts'
import { NoReply, Replies, wire } from './replies.ts'
import type { Session } from './session.ts'

const PAUSE = 20

/** Carries a session's commands over one TCP connection, in pipelines, and connects again when it is lost. */
export class RawCarrier implements Carrier {
  #socket: Socket | null = null
  /** The one that is being opened, or is open. */
  #newest: Socket | null = null
  #replies = new Replies()
  #waiting: Operation[] = []
  #answered = 0
  #done: () => void = () => undefined
  #going = true
  reconnected = -1

  constructor(
    readonly session: Session,
    readonly port: number,
    readonly depth: number,
  ) {}

  get outstanding(): number {
    return this.#waiting.length - this.#answered
  }

  async play(): Promise<void> {
    while (this.#going) {
      const failures = this.session.failures
      if (this.#socket === null && !(await this.#connect())) await sleep(PAUSE)
      else await this.#round()
      if (failures !== this.session.failures) await sleep(PAUSE)
    }
    this.#socket?.destroy()
  }

  stop(): void {
    this.#going = false
  }

  abandon(): void {
    this.#newest?.destroy()
  }

  #round(): Promise<void> {
    const operations = this.session.batch(this.depth, true)
    let bytes = ''
    for (const { args } of operations) bytes += wire(args)
    const start = performance.now()
    for (const operation of operations) operation.start = start
    this.#waiting = operations
    this.#answered = 0
    return new Promise((resolve) => {
      this.#done = resolve
      this.#socket!.write(bytes, 'latin1')
    })
  }

  #take(chunk: Buffer, socket: Socket): void {
    const now = performance.now()
    this.#replies.feed(chunk)
    try {
      while (this.#answered < this.#waiting.length && this.#takeOne(now)) this.#answered++
    } catch (error) {
      if (!(error instanceof NoReply)) throw error
      this.session.common.findings.add('crossed', `${this.session.name}: bytes that are no reply: ${error.message}`)
      return void socket.destroy()
    }
    if (this.#answered < this.#waiting.length) return
    if (!this.#replies.empty) {
      this.session.common.findings.add('doubled', `${this.session.name}: a reply that nobody had asked for`)
      return void socket.destroy()
    }
    this.#done()
  }

  #takeOne(now: number): boolean {
    const operation = this.#waiting[this.#answered]
    if (operation.bytes !== null && this.#replies.takes(operation.bytes)) {
      this.session.answered(operation, operation.good, now)
      return true
    }
    const reply = this.#replies.next()
    if (reply === undefined) return false
    this.session.answered(operation, reply, now)
    return true
  }

  async #connect(): Promise<boolean> {
    this.reconnected++
    const socket = connect(this.port, '127.0.0.1').setNoDelay(true)
    this.#newest = socket
    this.#replies = new Replies()
    const opened = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true))
      socket.once('close', () => resolve(false))
      socket.on('error', () => undefined)
    })
    if (!opened || (this.session.isResp3 && !(await greets(socket)))) return false
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#take(chunk, socket))
    socket.once('close', () => this.#lost(socket))
    if (socket.destroyed) this.#lost(socket)
    return this.#socket !== null
  }

  #lost(socket: Socket): void {
    if (this.#socket !== socket) return
    this.#socket = null
    for (const operation of this.#waiting.slice(this.#answered)) this.session.unanswered(operation)
    this.#waiting = []
    this.#answered = 0
    this.#done()
  }
}

/** Asks for RESP3. */
async function greets(socket: Socket): Promise<boolean> {
  socket.write(wire(['HELLO', '3']), 'latin1')
  let text = ''
  const answer = await new Promise<string>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      // The last of what it tells is the list of modules.
      if (text.startsWith('-') ? text.endsWith('\r\n') : /modules\r\n\*0\r\n$/.test(text)) resolve(text)
    })
    socket.once('close', () => resolve(''))
  })
  socket.removeAllListeners('data')
  if (!answer.startsWith('%')) socket.destroy()
  return answer.startsWith('%')
}
