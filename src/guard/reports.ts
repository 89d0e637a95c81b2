import type { Recorder } from '../metrics/recorder.js'
import type { TurnClock } from '../util/clock.js'
import type { EventLog } from '../util/log.js'

/** Who sent a command, as far as the log tells. */
export interface Client {
  readonly id: number
  readonly name: string
  readonly downstream: { readonly remoteAddress: string }
}

/** What the guard has done about a command: `spared` if it was to be denied, but for the audit. */
export type Deed = 'warn' | 'deny' | 'spared'

/** One and the same thing is logged at most once in so many ms. */
const INTERVAL = 10_000
/** Most things that are told apart. */
const MOST = 1000

/** Counts what the guard finds, and logs it now and then. */
export class Reports {
  readonly #logged = new Map<string, { at: number; suppressed: number }>()

  constructor(
    readonly recorder: Recorder,
    readonly clock: TurnClock,
    readonly log: EventLog,
  ) {}

  /** @param details what else the log shows: figures, and keys only in the form that the configuration wants */
  add(deed: Deed, rule: string, command: string, client: Client, details: object): void {
    this.recorder.guard.add(`${deed} ${rule}`)
    const suppressed = this.#suppressed(`${deed} ${rule} ${command}`)
    if (suppressed === null) return
    this.log.event('warn', 'guard', {
      action: deed,
      rule,
      command,
      client: { id: client.id, address: client.downstream.remoteAddress, name: client.name },
      ...details,
      ...(suppressed > 0 ? { before: suppressed } : {}),
    })
  }

  /** How many of the kind have not been logged since the last one that was; null if this one is not to be, either. */
  #suppressed(kind: string): number | null {
    const { now } = this.clock
    const known = this.#logged.get(kind)
    if (known === undefined) {
      if (this.#logged.size < MOST) this.#logged.set(kind, { at: now, suppressed: 0 })
      return 0
    }
    if (now - known.at < INTERVAL) {
      known.suppressed++
      return null
    }
    const { suppressed } = known
    known.at = now
    known.suppressed = 0
    return suppressed
  }
}
