/**
 * Work that is done once per turn of the event loop, after every readable socket has been read:
 *
 *     poll (reads) ──► flush downstream ──► resume held sessions ──► flush upstream ──► poll …
 *
 * Batching lives here: whatever was gathered for a connection during the reads leaves in one write. Replies go out
 * first, because an application waits for them; sessions that may go on are resumed from here and never from inside a
 * read, because a read works on a buffer that all connections share.
 *
 * While turns bring a single read there is nothing to batch: the work is then done right behind the read, which saves
 * the detour through the event loop. Every few reads a turn is waited for, to see whether it still brings one only.
 *
 * A task may linger: it then runs after the next turn in which something came from upstream, and soon in any case.
 */
export interface TurnTask {
  /** True while the task is queued: set by the queue, read by whoever wants to queue it. */
  queued: boolean
  run(): void
}

/** The order of the phases is the order in which they run. */
const PHASES = ['downstream', 'resume', 'upstream'] as const
export type Phase = (typeof PHASES)[number]

/** How many turns in a row with a single read make the work follow its read. */
const ALONE = 64
/** Of how many such reads one waits for the end of its turn all the same. */
const LOOK = 4

/** How long a task may linger, ms. */
const LINGER = 1

export class TurnQueue {
  /** The number of the turn: of those whose end was waited for. */
  number = 0
  readonly #lists: Record<Phase, TurnTask[]> = { downstream: [], resume: [], upstream: [] }
  /** True while something is to be done. */
  #due = false
  /** True while the end of the turn is waited for. */
  #armed = false
  #reading = false
  /** Reads of this turn. */
  #reads = 0
  /** Turns in a row with a single read; those whose end was not waited for count too. */
  #alone = 0
  #lingering: TurnTask[] = []
  #timer: NodeJS.Timeout | null = null
  readonly #endTurn = () => this.#end()

  add(phase: Phase, task: TurnTask): void {
    if (task.queued) return
    task.queued = true
    this.#lists[phase].push(task)
    this.#due = true
    if (!this.#reading) this.#arm()
  }

  /** Whoever works off a read says when it begins and when it ends. */
  beginRead(): void {
    this.#reading = true
  }

  endRead(): void {
    this.#reading = false
    this.#reads++
    if (!this.#due) return
    if (this.#armed || this.#alone < ALONE || this.#alone % LOOK === 0) return this.#arm()
    this.#alone++
    this.#reads = 0
    this.#runPhases()
  }

  /** Queues a downstream task for later. */
  linger(task: TurnTask): void {
    task.queued = true
    if (this.#lingering.push(task) > 1) return
    if (this.#timer === null) this.#timer = setTimeout(() => this.stir(), LINGER).unref()
    else this.#timer.refresh()
  }

  /** Something has come from upstream: what lingers runs at the end of this turn. */
  stir(): void {
    if (this.#lingering.length === 0) return
    for (const task of this.#lingering) {
      task.queued = false
      this.add('downstream', task)
    }
    this.#lingering = []
  }

  #arm(): void {
    if (this.#armed) return
    this.#armed = true
    setImmediate(this.#endTurn)
  }

  #end(): void {
    this.#armed = false
    this.number++
    if (this.#reads > 1) this.#alone = 0
    else this.#alone += this.#reads
    this.#reads = 0
    this.#runPhases()
  }

  #runPhases(): void {
    this.#due = false
    for (const phase of PHASES) {
      const tasks = this.#lists[phase]
      if (tasks.length === 0) continue
      this.#lists[phase] = []
      for (const task of tasks) {
        task.queued = false
        task.run()
      }
    }
  }
}
