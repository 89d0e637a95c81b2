/**
 * Work that is done once per turn of the event loop, after every readable socket has been read:
 *
 *     poll (reads) ──► flush downstream ──► resume held sessions ──► flush upstream ──► poll …
 *
 * Batching lives here: whatever was gathered for a connection during the reads leaves in one write. Replies go out
 * first, because an application waits for them; sessions that may go on are resumed from here and never from inside a
 * read, because a read works on a buffer that all connections share.
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

/** How long a task may linger, ms. */
const LINGER = 1

export class TurnQueue {
  /** The number of the turn: of those in which there was something to do. */
  number = 0
  readonly #lists: Record<Phase, TurnTask[]> = { downstream: [], resume: [], upstream: [] }
  #armed = false
  #lingering: TurnTask[] = []
  #timer: NodeJS.Timeout | null = null
  readonly #run = () => this.#runPhases()

  add(phase: Phase, task: TurnTask): void {
    if (task.queued) return
    task.queued = true
    this.#lists[phase].push(task)
    if (this.#armed) return
    this.#armed = true
    setImmediate(this.#run)
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

  #runPhases(): void {
    this.#armed = false
    this.number++
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
