import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { describeAddress } from '../config/address.js'
import type { Address } from '../config/config.js'
import type { Prepared } from '../config/part.js'
import type { Take } from '../downstream/moving.js'
import { LogLevel } from '../life/log-level.js'
import { Proxy } from '../proxy.js'
import type { Entrance } from '../sockets/entrance.js'
import { createLogger, EventLog } from '../util/log.js'
import type { Tracing } from '../tracing/otlp.js'
import { tracingOf } from '../tracing/tracing-of.js'
import { answersOf } from './answers.js'
import type { Begin, Bound, FromWorker, Question, ToWorker } from './worker-messages.js'

/** How often the primary process is told how it does, ms. */
const REPORT = 50

/**
 * One of several processes that do the work. The primary process accepts connections and hands them over; everything else a worker does by
 * itself, within its share of the limits.
 */
class Worker {
  readonly #logger: Logger
  readonly #log: EventLog
  readonly #tracing: Tracing | null
  readonly #proxy: Proxy
  readonly #answers: Record<Question, (most?: number) => unknown>
  readonly #timer = setInterval(() => this.#report(), REPORT)
  #bound: Bound
  #prepared: Prepared | null = null
  #given = 0
  #reported = ''
  #ending = false

  private constructor({ config, bound, firstId }: Begin, logger: Logger, log: EventLog, tracing: Tracing | null) {
    this.#bound = bound
    this.#logger = logger
    this.#log = log
    this.#tracing = tracing
    const entranceAt = (address: Address) => this.#entranceAt(address)
    this.#proxy = new Proxy(config, log, { entranceAt, firstId, spans: tracing })
    this.#proxy.parts.push(new LogLevel(config, this.#logger))
    this.#answers = answersOf(this.#proxy)
  }

  static async create(begin: Begin): Promise<Worker> {
    const { config, worker, level } = begin
    const logger = createLogger(config.log.level).child({ worker })
    logger.level = level
    const log = new EventLog(logger)
    return new Worker(begin, logger, log, await tracingOf(config, log))
  }

  async start(): Promise<void> {
    try {
      await this.#proxy.start()
      this.#report()
    } catch (error) {
      say({ kind: 'failed', error: (error as Error).message })
    }
  }

  hear(message: ToWorker, socket: Socket | undefined): void {
    const proxy = this.#proxy
    switch (message.kind) {
      case 'begin':
        return
      case 'connection':
        this.#given++
        if (socket !== undefined) proxy.arrive(message.at, socket, message.arrival)
        return
      case 'ask':
        return void this.#answer(message.id, () => this.#answers[message.question](message.most))
      case 'prepare':
        this.#bound = message.bound
        return void this.#answer(message.id, async () => void (this.#prepared = await proxy.prepare(message.config)))
      case 'commit':
        return this.#prepared?.commit()
      case 'cancel':
        return this.#prepared?.cancel()
      case 'level':
        return void (this.#logger.level = message.level)
      case 'stop':
        return void this.end(() => proxy.stop(message.notice), 0)
      case 'leave':
        return void this.end(() => proxy.leave(message.moves ? moveOut : null), 0)
    }
  }

  /** Without the primary process nobody accepts. */
  abandoned(): void {
    void this.end(() => this.#proxy.stop(0), 1)
  }

  async end(stop: () => Promise<void>, code: number): Promise<void> {
    if (this.#ending) return
    this.#ending = true
    await stop()
    await this.#tracing?.stop()
    clearInterval(this.#timer)
    this.#log.flush()
    this.#logger.flush(() => process.exit(code))
  }

  #entranceAt(address: Address): Entrance {
    return {
      // Connections come in messages.
      open: () => Promise.resolve(this.#bound.get(describeAddress(address)) ?? address),
      close: () => this.#ending && say({ kind: 'closed' }),
    }
  }

  #report(): void {
    const proxy = this.#proxy
    const state = { ...proxy.ready(), started: proxy.started(), connections: proxy.applications, given: this.#given }
    const text = JSON.stringify(state)
    if (text !== this.#reported) say({ kind: 'state', state })
    this.#reported = text
  }

  async #answer(id: number, make: () => unknown): Promise<void> {
    try {
      say({ kind: 'answer', id, value: await make() })
    } catch (error) {
      say({ kind: 'answer', id, error: (error as Error).message })
    }
  }
}

function say(message: FromWorker): void {
  if (process.connected) process.send!(message)
}

const moveOut: Take = (at, socket, arrival, done) => {
  process.send!({ kind: 'connection', at, arrival } satisfies FromWorker, socket, {}, (error) => {
    if (error !== null) socket.destroy()
    done()
  })
}

// They go to all processes of a terminal or a service; the primary says what they mean.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'] as const) process.on(signal, () => undefined)
process.once('message', (first: ToWorker) => {
  if (first.kind !== 'begin') throw new Error(`a worker begins with begin, not ${first.kind}`)
  const created = Worker.create(first)
  process.on('message', (message: ToWorker, socket: unknown) => {
    void created.then((worker) => worker.hear(message, socket as Socket | undefined))
  })
  process.once('disconnect', () => void created.then((worker) => worker.abandoned()))
  void created.then((worker) => worker.start())
})
