import type { Session } from './session.ts'

/** Brings a session's commands to the proxy and back, one batch after the other. */
export interface Carrier {
  readonly session: Session
  /** Commands without an answer so far, on a connection that is there. */
  readonly outstanding: number
  /** How often it had to connect again. */
  readonly reconnected: number
  /** Goes on until it is stopped and its last batch is settled. */
  play(): Promise<void>
  stop(): void
  /** Gives its connection up, with whatever is on its way there. */
  abandon(): void
}
