import type { Respool } from './respool.ts'
import { until } from './waiting.ts'

/** A respool that is succeeded by another process, again and again, on the same ports. */
export class Generations {
  /** Of the process that serves. */
  pid: number
  // Only the first one is a child of this process.
  readonly #kill = () => {
    for (const pid of [this.pid, ...this.successors('succession_started')])
      if (isAlive(pid)) process.kill(pid, 'SIGKILL')
  }

  constructor(readonly respool: Respool) {
    this.pid = respool.pid
    process.once('exit', this.#kill)
  }

  begin(): void {
    process.kill(this.pid, 'SIGUSR2')
  }

  /** Has a successor take over; resolves when the process before it has ended. */
  async succeed(): Promise<void> {
    const before = this.pid
    const done = this.successors('succession_done').length
    this.begin()
    this.pid = await until(() => this.successors('succession_done')[done], 'a successor serves', 30_000)
    await until(() => !isAlive(before), 'its predecessor has ended', 30_000)
    if (!isAlive(this.pid)) throw new Error(`the successor has ended\n${this.respool.output()}`)
  }

  /** The pids in the events of one kind. */
  successors(event: string): number[] {
    const lines = this.respool.output().matchAll(new RegExp(`"event":"${event}".*"successor":(\\d+)`, 'g'))
    return [...lines].map(([, pid]) => Number(pid))
  }

  async stop(): Promise<number> {
    if (isAlive(this.pid)) process.kill(this.pid, 'SIGTERM')
    try {
      await until(() => !isAlive(this.pid), 'it has ended', 20_000)
    } finally {
      this.#kill()
      process.off('exit', this.#kill)
    }
    return this.respool.stop()
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
