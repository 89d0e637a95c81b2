/**
 * Work that is done once per turn of the event loop, after every readable socket has been read:
 *
 *     poll (reads) ──► flush downstream ──► resume held sessions ──► flush upstream ──► poll …
 *
 * Batching lives here: whatever was gathered for a connection during the reads leaves in one write. Replies go out
 * first, because an application waits for them; sessions that may go on are resumed from here and never from inside a
 * read, because a read works on a buffer that all connections share.
 */
export interface TurnTask {
  /** True while the task is queued: set by the queue, read by whoever wants to queue it. */
  queued: boolean
  run(): void
}

/** The order of the phases is the order in which they run. */
const PHASES = ['downstream', 'resume', 'upstream'] as const
export type Phase = (typeof PHASES)[number]

export class TurnQueue {
  readonly #lists: Record<Phase, TurnTask[]> = { downstream: [], resume: [], upstream: [] }
  #armed = false
  readonly #run = () => this.#runPhases()

  add(phase: Phase, task: TurnTask): void {
    if (task.queued) return
    task.queued = true
    this.#lists[phase].push(task)
    if (this.#armed) return
    this.#armed = true
    setImmediate(this.#run)
  }

  #runPhases(): void {
    this.#armed = false
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
