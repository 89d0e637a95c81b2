import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Begin, FromWorker, Question, ToWorker, WorkerState } from './worker-messages.js'

const PROGRAM = fileURLToPath(new URL('./worker.js', import.meta.url))
/** How long a worker may take to answer, ms: what it says later is of no use. */
const PATIENCE = 5000

/** What a worker's process says unasked. */
export interface WorkerOwner {
  heard(worker: WorkerProcess, message: FromWorker, socket: Socket | undefined): void
  ended(worker: WorkerProcess, how: string): void
}

/** One worker as the primary process sees it: there is a new one of these for each process. */
export class WorkerProcess {
  state: WorkerState = { ready: false, reasons: ['a worker starts'], started: false, connections: 0, given: 0 }
  /** What it has counted, as far as known: this outlives it. */
  metrics: unknown = []
  alive = true
  /** True once it takes no more connections. */
  closed = false
  readonly pid: number | undefined
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (answer: Extract<FromWorker, { kind: 'answer' }>) => void>()
  #nextId = 0
  #given = 0

  constructor(
    readonly number: number,
    begin: Begin,
    readonly owner: WorkerOwner,
  ) {
    this.#child = fork(PROGRAM, { serialization: 'advanced' })
    this.pid = this.#child.pid
    this.#child.on('message', (message, socket) => this.#hear(message as FromWorker, socket as Socket | undefined))
    this.#child.once('error', (error) => this.#end(error.message))
    // What it has said last may come behind its end.
    const silent = once(this.#child, 'disconnect')
    this.#child.once('exit', (code, signal) => void silent.then(() => this.#end(signal ?? `code ${code}`)))
    this.tell({ kind: 'begin', ...begin })
  }

  /** Applications that it has, or has been given and not told of yet. */
  get load(): number {
    return this.state.connections + this.#given - this.state.given
  }

  tell(message: ToWorker, socket?: Socket, done: (error: Error | null) => void = () => undefined): void {
    if (!this.#child.connected) return done(new Error('the worker has ended'))
    if (message.kind === 'connection') this.#given++
    this.#child.send(message, socket, {}, done)
  }

  ask(question: Question, most?: number): Promise<unknown> {
    return this.#ask((id) => ({ kind: 'ask', id, question, most }))
  }

  /** Has it make ready for another configuration. */
  prepare(given: Pick<Begin, 'config' | 'bound'>): Promise<unknown> {
    return this.#ask((id) => ({ kind: 'prepare', id, ...given }))
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  #ask(make: (id: number) => ToWorker): Promise<unknown> {
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle({ kind: 'answer', id, error: 'a worker does not answer' }), PATIENCE)
      const settle = ({ value, error }: Extract<FromWorker, { kind: 'answer' }>) => {
        clearTimeout(timer)
        this.#waiting.delete(id)
        if (error === undefined) resolve(value)
        else reject(new Error(error))
      }
      this.#waiting.set(id, settle)
      this.tell(make(id))
    })
  }

  #hear(message: FromWorker, socket: Socket | undefined): void {
    if (message.kind === 'answer') this.#waiting.get(message.id)?.(message)
    else if (message.kind === 'state') this.state = message.state
    else if (message.kind === 'closed') this.closed = true
    this.owner.heard(this, message, socket)
  }

  #end(how: string): void {
    if (!this.alive) return
    this.alive = false
    for (const [id, settle] of this.#waiting) settle({ kind: 'answer', id, error: 'a worker has ended' })
    this.owner.ended(this, how)
  }
}
