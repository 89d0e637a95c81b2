import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { stay } from '../dispatch/luggage.js'
import type { DownstreamConnection } from './connection.js'
import type { Arrival } from './context.js'

/** Gets a connection that moves; calls `done` when it is there. */
export type Take = (at: string, socket: Socket, arrival: Arrival, done: () => void) => void

/** How long to wait when nothing moves any more, ms: for transactions to end, and commands that do not block. */
const PATIENCE = 5000
/** How often connections are looked at, ms. */
const LOOK = 2
/** Connections on their way at the same time: those behind go on here meanwhile. */
const PORTION = 64

/**
 * Moves connections to another process. Their applications notice nothing: each one rests until its last reply is out, and what it
 * says meanwhile waits in its socket. Those that something connects with this process stay.
 *
 *     connection ──► held ──► nothing owed ──► on its way ──► there
 */
export async function moveAll(connections: ReadonlySet<DownstreamConnection>, take: Take): Promise<void> {
  let progress = performance.now()
  let underway = 0
  const done = () => {
    underway--
    progress = performance.now()
  }
  while ((underway > 0 || connections.size > 0) && performance.now() - progress < PATIENCE) {
    let waiting = 0
    for (const connection of connections) {
      if (underway + waiting >= PORTION) break
      if (connection.readyToMove()) {
        const { socket, arrival } = connection.move()
        underway++
        take(connection.at, socket, arrival, done)
      } else if (connection.session.held === 'moving') waiting++
    }
    await sleep(LOOK)
  }
  for (const { session } of connections) stay(session)
}
