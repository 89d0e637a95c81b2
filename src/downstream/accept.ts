import { Socket, type OnReadOpts } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { ReadBuffer } from '../resp/read-buffer.js'

/**
 * Lets an accepted socket read into the shared buffer.
 *
 * `onread` does that for sockets that one dials oneself, but Node has no such option for accepted ones. What it has, undocumented, is
 * the `handle` option of the Socket constructor: the accepted handle goes to a new Socket that reads the cheap way. It saves
 * a 64 KiB buffer per read and per silent connection. Where the handle is not found as expected (`canAdopt`), or the socket is no plain
 * one, its data events are copied into the shared buffer instead.
 */
interface WithHandle {
  _handle: object | null
}

/**
 * Bytes that the kernel has not taken yet: of writes that Node counts as a whole until they are done, so that
 * `writableLength` alone does not tell whether a slow reader reads. As undocumented as the handle; 0 where there is none.
 */
export function unsentBytes(socket: Socket): number {
  const handle = (socket as unknown as WithHandle)._handle as { writeQueueSize?: number } | null
  return handle?.writeQueueSize ?? 0
}

/** The two ends of a connection; that of a unix socket as Redis shows it. */
export function addressesOf(accepted: Socket, at: string): { remote: string; local: string } {
  const { remoteAddress, remotePort, localAddress, localPort } = accepted
  const unixName = `${at.replace('unix:', '')}:0`
  return {
    remote: remoteAddress === undefined ? unixName : `${remoteAddress}:${remotePort}`,
    local: localAddress === undefined ? unixName : `${localAddress}:${localPort}`,
  }
}

export function adopt(accepted: Socket, reads: ReadBuffer, onRead: (size: number) => void): Socket {
  const inner = accepted as unknown as WithHandle
  // A handle of TLS looks the same, but is nothing without its socket.
  if (accepted instanceof TLSSocket || !adoptable(inner)) return copying(accepted, reads, onRead)
  const handle = inner._handle
  inner._handle = null // from now on the old object owns nothing and can be forgotten
  const onread: OnReadOpts = {
    buffer: reads.target,
    callback: (size) => {
      onRead(size)
      return true
    },
  }
  const options = { handle, onread, allowHalfOpen: true }
  const socket = new Socket(options)
  socket.resume()
  return socket
}

/** Whether a socket that was let in can be handed to another process without a byte of it being lost. */
export function canLeave(socket: Socket): boolean {
  return !(socket instanceof TLSSocket) && adoptable(socket as unknown as WithHandle)
}

function adoptable(socket: WithHandle): boolean {
  const handle = socket._handle as { useUserBuffer?: unknown; readStart?: unknown } | null | undefined
  return typeof handle?.useUserBuffer === 'function' && typeof handle.readStart === 'function'
}

function copying(socket: Socket, reads: ReadBuffer, onRead: (size: number) => void): Socket {
  socket.on('data', (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; at += reads.target.length) {
      onRead(chunk.copy(reads.target, 0, at, Math.min(chunk.length, at + reads.target.length)))
    }
  })
  socket.resume()
  return socket
}
