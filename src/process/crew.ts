import type { Socket } from 'node:net'
import { describeAddress } from '../config/address.js'
import type { Address, Config, Level } from '../config/config.js'
import type { Part, Prepared } from '../config/part.js'
import { shareOf } from '../config/shares.js'
import type { Arrival } from '../downstream/context.js'
import type { Take } from '../downstream/moving.js'
import { createRegistry } from '../metrics/exporter.js'
import { Recorder } from '../metrics/recorder.js'
import type { Vitals } from '../metrics/vitals.js'
import { Accepting } from '../sockets/entrance.js'
import { stopReading } from '../sockets/stop-reading.js'
import type { Sockets } from '../sockets/sockets.js'
import { Backoff } from '../util/backoff.js'
import type { EventLog } from '../util/log.js'
import { combine } from './combine.js'
import { type Report, REPORTS } from './combine-reports.js'
import { CrewMetrics } from './crew-metrics.js'
import type { FromWorker, Question } from './worker-messages.js'
import { WorkerProcess, type WorkerOwner } from './worker-process.js'

/** Ids that one process of a worker may give to sessions; they are never given again. */
const IDS = 2 ** 32
/** A worker that is lost is replaced after so long, ms, and one that is lost again and again after longer. */
const REPLACE = { first: 100, longest: 10_000 }
/** Connections that may wait while there is no worker. */
const MOST_WAITING = 1024

/**
 * Several processes that do the work, and this one, which lets applications in for them.
 *
 *     application ──► accepted here ──► the worker with the fewest connections ──► Redis
 *     admin server ──► asks all workers ──► one answer
 *
 * Invariant: all limits together are those of the configuration, as each worker has its share of them.
 */
export class Crew implements WorkerOwner {
  /** What takes over a changed configuration here. */
  readonly parts: Part[] = []
  readonly recorder = new Recorder(1)
  readonly metrics: CrewMetrics
  readonly #workers: WorkerProcess[] = []
  readonly #entrances = new Map<string, Accepting>()
  #bound = new Map<string, Address>()
  readonly #backoffs: Backoff[]
  #waiting: [at: string, socket: Socket, arrival: Arrival | null][] = []
  #spawned = 0
  #started = false
  #ending = false
  #take: Take | null = null
  /** Looks whether what is being waited for is there. */
  #changed: () => void = () => undefined
  #failure: string | null = null
  /** Connections on their way to a successor. */
  #moving = 0

  constructor(
    public config: Config,
    readonly log: EventLog,
    readonly sockets: Sockets,
    readonly firstId: number,
    readonly level: () => Level,
  ) {
    const empty = { endpoints: [], downstreamConnections: 0, bufferedBytes: 0, cache: null, identities: 0 }
    const own = createRegistry(
      this.recorder,
      () => 'other',
      () => empty,
    )
    this.metrics = new CrewMetrics(own, () => this.#askAll('metrics'))
    this.#backoffs = Array.from({ length: config.workers }, () => new Backoff(REPLACE.first, REPLACE.longest))
  }

  get nextId(): number {
    return this.firstId + this.#spawned * IDS
  }

  /** Listens when all workers can serve. */
  async start(): Promise<void> {
    for (const { address } of this.config.listen) await this.#open(address)
    for (let number = 0; number < this.config.workers; number++) this.#spawn(number)
    await this.#until(() => this.#failure !== null || this.#workers.every(({ state }) => state.started))
    if (this.#failure !== null) throw new Error(this.#failure)
    this.#started = true
    this.#handOut()
    this.log.event('info', 'workers_started', { workers: this.#workers.map(({ pid }) => pid) })
  }

  /** @param notice as configured unless it is given, ms */
  async stop(notice?: number): Promise<void> {
    await this.#end(() => this.#tellAll({ kind: 'stop', ...(notice === undefined ? {} : { notice }) }))
  }

  async leave(take: Take | null): Promise<void> {
    this.#close()
    this.#take = take
    await this.#end(() => this.#tellAll({ kind: 'leave', moves: take !== null }))
  }

  /** Hands an application to the worker with the fewest of them. */
  arrive(at: string, socket: Socket, arrival: Arrival | null): void {
    stopReading(socket)
    const ready = this.#workers.filter(({ alive, closed, state }) => alive && !closed && state.started)
    if (ready.length === 0 || !this.#started) {
      if (this.#waiting.length < MOST_WAITING) this.#waiting.push([at, socket, arrival])
      else socket.destroy()
      return
    }
    const least = ready.reduce((best, one) => (one.load < best.load ? one : best))
    least.tell({ kind: 'connection', at, arrival }, socket, (error) => error !== null && socket.destroy())
  }

  async prepare(config: Config): Promise<Prepared> {
    if (!this.#started) throw new Error('it has not started yet: try again')
    if (this.#ending) throw new Error('it is about to end')
    const added: string[] = []
    const settle = (kind: 'commit' | 'cancel', gone: Iterable<string>) => {
      this.#tellAll({ kind })
      for (const at of gone) this.#closeEntrance(at)
    }
    try {
      for (const { address } of config.listen) {
        if (this.#entrances.has(describeAddress(address))) continue
        added.push(describeAddress(address))
        await this.#open(address)
      }
      const bound = this.#bound
      await Promise.all(this.#alive.map((one) => one.prepare({ config: shareOf(config, one.number), bound })))
    } catch (error) {
      settle('cancel', added)
      throw error
    }
    const commit = () => {
      const wanted = new Set(config.listen.map(({ address }) => describeAddress(address)))
      settle(
        'commit',
        [...this.#entrances.keys()].filter((at) => !wanted.has(at)),
      )
      for (const part of this.parts) part.apply(config)
      this.config = config
    }
    return { commit, cancel: () => settle('cancel', added) }
  }

  setLevel(level: Level): void {
    this.#tellAll({ kind: 'level', level })
  }

  // What the admin server shows.

  started(): boolean {
    return this.#started
  }

  ready(): { ready: boolean; reasons: string[] } {
    const reasons = new Set(this.#ending ? ['told to stop'] : [])
    if (!this.#started) reasons.add('not listening yet')
    // One that is being replaced is no reason, as long as the others serve.
    const states = this.#alive.map(({ state }) => state)
    if (!states.some(({ ready }) => ready)) for (const state of states) state.reasons.forEach((one) => reasons.add(one))
    if (states.length === 0) reasons.add('there is no worker')
    return { ready: reasons.size === 0, reasons: [...reasons] }
  }

  async stats(): Promise<object> {
    return combine(await this.#askAll('stats')) as object
  }

  async vitals(): Promise<Vitals> {
    return combine(await this.#askAll('vitals')) as Vitals
  }

  /** All workers see the same. */
  async topology(): Promise<object> {
    return (await this.#askAll('topology'))[0] as object
  }

  async clients(most = Infinity): Promise<object[]> {
    const lists = (await this.#askAll('clients', most === Infinity ? undefined : most)) as { idleSeconds: number }[][]
    const all = lists.flat()
    return most === Infinity ? all : all.sort((a, b) => a.idleSeconds - b.idleSeconds).slice(0, most)
  }

  async report(question: Report): Promise<object> {
    return REPORTS[question](await this.#askAll(question))
  }

  // Workers

  heard(worker: WorkerProcess, message: FromWorker, socket: Socket | undefined): void {
    // As long as one of them waits for its applications to go, there may be new ones.
    if (message.kind === 'closed' && this.#alive.every(({ closed }) => closed)) this.#close()
    if (message.kind === 'failed') this.#failure = message.error
    else if (message.kind === 'connection' && socket !== undefined) this.#moveOn(message.at, socket, message.arrival)
    else if (message.kind === 'state' && worker.state.started) this.#handOut()
    this.#changed()
  }

  ended(worker: WorkerProcess, how: string): void {
    void this.metrics.keep(worker.metrics)
    this.#changed()
    if (this.#ending) return
    this.recorder.workerLosses++
    this.log.event('error', 'worker_lost', { worker: worker.number, pid: worker.pid, how })
    if (!this.#started) {
      this.#failure ??= `a worker has ended with ${how}`
      return
    }
    setTimeout(() => this.#ending || this.#spawn(worker.number), this.#backoffs[worker.number].next())
  }

  get #alive(): WorkerProcess[] {
    return this.#workers.filter(({ alive }) => alive)
  }

  #spawn(number: number): void {
    const begin = {
      config: shareOf(this.config, number),
      bound: this.#bound,
      worker: number,
      firstId: this.nextId,
      level: this.level(),
    }
    this.#spawned++
    this.#workers[number] = new WorkerProcess(number, begin, this)
  }

  #tellAll(message: Parameters<WorkerProcess['tell']>[0]): void {
    for (const worker of this.#alive) worker.tell(message)
  }

  /** The answers of all that give one: a worker that ends meanwhile gives none. */
  async #askAll(question: Question, most?: number): Promise<unknown[]> {
    const settled = await Promise.allSettled(
      this.#alive.map(async (worker) => {
        const answer = await worker.ask(question, most)
        if (question === 'metrics') worker.metrics = answer
        return answer
      }),
    )
    return settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  }

  async #end(tell: () => void): Promise<void> {
    this.#ending = true
    tell()
    await this.#until(() => this.#alive.length === 0 && this.#moving === 0)
    this.#close()
    this.log.event('info', 'stopped', {})
  }

  /** Resolves when this is so, which is looked at whenever a worker has said something. */
  #until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#changed = () => holds() && resolve()
      this.#changed()
    })
  }

  // Connections

  async #open(address: Address): Promise<void> {
    const at = describeAddress(address)
    const entrance = new Accepting(address, this.sockets, this.log)
    this.#entrances.set(at, entrance)
    this.#bound = new Map(this.#bound).set(at, await entrance.open((socket) => this.arrive(at, socket, null)))
  }

  #closeEntrance(at: string): void {
    this.#entrances.get(at)?.close()
    this.#entrances.delete(at)
  }

  #close(): void {
    for (const at of [...this.#entrances.keys()]) this.#closeEntrance(at)
  }

  /** Those that have been waiting for a worker. */
  #handOut(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const one of waiting) this.arrive(...one)
  }

  #moveOn(at: string, socket: Socket, arrival: Arrival): void {
    stopReading(socket)
    if (this.#take === null) return void socket.destroy()
    this.#moving++
    this.#take(at, socket, arrival, () => {
      this.#moving--
      this.#changed()
    })
  }
}
