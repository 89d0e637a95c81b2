import type { Arrival } from '../downstream/context.js'

// What two processes say to each other about connections, in JSON: they may be of different versions.

/** The form of what moves; a successor that has another one gets no connections. */
export const FORM = 1

/** From a successor: it serves. */
export interface ReadyMessage {
  readonly kind: 'ready'
  readonly form: number
}

/** With the socket of an application that has moved, or was let in elsewhere. */
export interface ConnectionMessage {
  readonly kind: 'connection'
  /** The address of its listener, as the configuration has it. */
  readonly at: string
  readonly arrival: Arrival
}

export function isReady(message: unknown): message is ReadyMessage {
  return (message as ReadyMessage | null)?.kind === 'ready'
}

export function isConnection(message: unknown): message is ConnectionMessage {
  return (message as ConnectionMessage | null)?.kind === 'connection'
}
