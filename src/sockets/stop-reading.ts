import type { Socket } from 'node:net'

/** What Node does not document of a socket. */
interface WithHandle {
  readonly _handle: { reading: boolean; readStop(): void } | null
}

/**
 * Keeps a socket that has just come from another process, and is only passed on, from being read: Node begins with that at once, and what
 * it has read would be lost.
 */
export function stopReading(socket: Socket): void {
  const handle = (socket as unknown as WithHandle)._handle
  if (handle?.reading !== true) return
  handle.reading = false
  handle.readStop()
}
