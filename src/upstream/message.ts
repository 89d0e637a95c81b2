import { STAR } from '../resp/bytes.js'
import type { Protocol } from '../resp/encode.js'
import { headerValue, readHeader } from '../resp/header.js'
import { TEXT_LIMIT } from '../resp/output.js'
import { ReplyFault } from '../resp/reply-scanner.js'

/** What kinds of things can be subscribed to. */
export const KINDS = ['channel', 'pattern', 'shard'] as const
export type Kind = (typeof KINDS)[number]

/** What the first word of a push frame says. */
const MESSAGES: ReadonlyMap<string, Kind> = new Map([
  ['message', 'channel'],
  ['pmessage', 'pattern'],
  ['smessage', 'shard'],
])

/** A message as it came, for any number of listeners: its bytes are made once for each protocol, and shared. */
export class Message {
  /** What it was subscribed to by: latin1, one character a byte. */
  readonly name: string
  readonly #resp3: string | Buffer
  #resp2: string | Buffer | null = null

  constructor(
    readonly kind: Kind,
    buf: Buffer,
    start: number,
    end: number,
  ) {
    this.name = secondText(buf, start, end)
    this.#resp3 =
      end - start <= TEXT_LIMIT ? buf.toString('latin1', start, end) : Buffer.copyBytesFrom(buf, start, end - start)
  }

  /** The frame as it goes out, never to be changed. In RESP2 it is an array, and the same otherwise. */
  as(protocol: Protocol): string | Buffer {
    return protocol === 3 ? this.#resp3 : (this.#resp2 ??= asArray(this.#resp3))
  }
}

function asArray(frame: string | Buffer): string | Buffer {
  if (typeof frame === 'string') return `*${frame.slice(1)}`
  const copy = Buffer.from(frame)
  copy[0] = STAR
  return copy
}

/** The first word of a push frame. */
export function firstText(buf: Buffer, start: number, end: number): string {
  const at = bulkAt(buf, readHeader(buf, start + 1, end), end)
  return buf.toString('latin1', at, at + headerValue)
}

/** What a message or a confirmation is about. */
export function secondText(buf: Buffer, start: number, end: number): string {
  const first = bulkAt(buf, readHeader(buf, start + 1, end), end)
  const second = bulkAt(buf, first + headerValue + 2, end)
  return buf.toString('latin1', second, second + headerValue)
}

/** Where the bytes of the bulk string at `at` begin; `headerValue` is their number. */
function bulkAt(buf: Buffer, at: number, end: number): number {
  const start = readHeader(buf, at + 1, end)
  if (start < 0 || headerValue < 0) throw new ReplyFault('a push of unknown form')
  return start
}

/** The kind of subscription that a message came by; undefined if the push is no message. */
export const messageKind = (word: string): Kind | undefined => MESSAGES.get(word)
