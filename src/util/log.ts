import { pino, type DestinationStream, type Level, type Logger } from 'pino'
import { monotonic, type Clock } from './clock.js'
import type { EventName } from './events.js'
import { LineWriter } from './line-writer.js'

/**
 * A logger of JSON lines: `level` (as a word), `time` (ISO), `name`, and the fields given. What happened stands in `event`
 * as one fixed word; `msg` is for people only. Once lines could not be written, `lost` says how many since the start.
 *
 * @param level least level that is written
 * @param destination where lines go; standard output if not given
 */
export function createLogger(level: Level | 'silent', destination: Destination = new LineWriter(1)): Logger {
  const options = {
    name: 'respool',
    level,
    base: {},
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    mixin: () => (destination.lost ? { lost: destination.lost } : {}),
  }
  return pino(options, destination)
}

interface Destination extends DestinationStream {
  /** Lines that could not be written so far. */
  readonly lost?: number
}

export interface EventFields extends Record<string, unknown> {
  /** host:port */
  endpoint?: string
  event?: never
  suppressed?: never
}

/** The lines of one kind within one second. */
interface Window {
  level: Level
  event: EventName
  endpoint: string | undefined
  start: number
  lines: number
  suppressed: number
}

const SECOND = 1000

/**
 * Events as log lines, at most `perSecond` of a kind (event and endpoint) within a second, so that a flapping upstream cannot drown
 * the log. What is left out is counted and reported as `suppressed` on the next line of its kind. While `maxKinds` kinds
 * are busy, further ones share one allowance, and what they lose is reported as the event `log_overflow`.
 */
export class EventLog {
  /** By kind, the oldest start first. */
  readonly #windows = new Map<string, Window>()
  readonly #overflow: Window = newWindow('warn', 'log_overflow', undefined, -Infinity)

  constructor(
    readonly log: Logger,
    readonly clock: Clock = monotonic,
    readonly perSecond = 10,
    readonly maxKinds = 256,
  ) {}

  event(level: Level, event: EventName, fields: EventFields = {}): void {
    if (!this.log.isLevelEnabled(level)) return
    const window = this.#windowOf(level, event, fields.endpoint)
    if (window.lines === this.perSecond) {
      window.suppressed++
      return
    }
    window.lines++
    if (window === this.#overflow || window.suppressed === 0) this.log[level]({ event, ...fields })
    else this.log[level]({ event, ...fields, suppressed: take(window) })
  }

  /** Reports what was suppressed and has had no later line to say so: for the end of the process. */
  flush(): void {
    for (const window of this.#windows.values()) this.#report(window)
    this.#report(this.#overflow)
  }

  #windowOf(level: Level, event: EventName, endpoint: string | undefined): Window {
    const now = this.clock()
    const kind = endpoint === undefined ? event : `${event} ${endpoint}`
    const known = this.#windows.get(kind)
    if (known && now - known.start < SECOND) return known
    if (!known && !this.#hasRoom(now)) return this.#overflowAt(now)
    const window = newWindow(level, event, endpoint, now)
    if (known) window.suppressed = known.suppressed
    // Deleted first, so that it moves to the end of the map's order.
    this.#windows.delete(kind)
    this.#windows.set(kind, window)
    return window
  }

  #hasRoom(now: number): boolean {
    if (this.#windows.size < this.maxKinds) return true
    for (const [kind, oldest] of this.#windows) {
      if (now - oldest.start < SECOND) return false
      this.#windows.delete(kind)
      this.#report(oldest)
      return true
    }
    return false
  }

  #overflowAt(now: number): Window {
    const window = this.#overflow
    if (now - window.start >= SECOND) {
      this.#report(window)
      window.start = now
      window.lines = 0
    }
    return window
  }

  #report(window: Window): void {
    const { level, event, endpoint } = window
    if (window.suppressed > 0) this.log[level]({ event, endpoint, suppressed: take(window) })
  }
}

function newWindow(level: Level, event: EventName, endpoint: string | undefined, start: number): Window {
  return { level, event, endpoint, start, lines: 0, suppressed: 0 }
}

function take(window: Window): number {
  const { suppressed } = window
  window.suppressed = 0
  return suppressed
}
