import type { Place } from '../config/config.js'

/** What is kept for a session, besides what it has not read yet. */
export interface Keeping {
  /** So many bytes more of replies (or fewer) wait for others that come before them. */
  waits(bytes: number): void
  /** So many bytes more (or fewer) of something that is being put together; false if all sessions together have too many. */
  keeps(bytes: number): boolean
}

/** What a session needs of the connection that it belongs to. */
export interface Downstream {
  /** The peer's and our own address, as CLIENT LIST shows them. */
  readonly remoteAddress: string
  readonly localAddress: string
  /** Where its listener says that applications can connect to; null for where they did. */
  readonly announce: Place | null
  readonly keeping: Keeping
  /** Queues a range for the end of the loop turn; the bytes are copied before their buffer is used again. */
  write(buf: Buffer, start: number, end: number): void
  /** Queues bytes that nobody changes any more, without copying them. */
  writeShared(part: string | Buffer): void
  /** Queues text, one character a byte. */
  writeText(text: string): void
  /** Whether it is known who it is; who is not may send short commands only. */
  trust(known: boolean): void
  /** Goes on with what was read and held; never at once, but at the end of the loop turn. */
  resume(): void
  /** Takes in nothing more; ends the connection when everything queued is written. */
  finish(): void
  /** Ends the connection at once. */
  destroy(reason: string): void
}
