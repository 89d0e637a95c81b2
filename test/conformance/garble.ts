import { encode } from '../helpers/raw.ts'

/** Small repeatable random numbers (xorshift32). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0 || 1
  }

  /** 0 … limit - 1. */
  below(limit: number): number {
    this.#state ^= this.#state << 13
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    return (this.#state >>> 0) % limit
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]
  }
}

/** Harmless, with replies that do not depend on time or chance, also after a byte or two have changed. */
const COMMANDS = [
  encode(['PING']),
  encode(['ECHO', 'some words']),
  encode(['SET', 'k', 'value']),
  encode(['GET', 'k']),
  encode(['MGET', 'k', 'missing', 'k']),
  encode(['INCRBY', 'n', '12']),
  encode(['RPUSH', 'l', 'a', 'b', 'c']),
  encode(['LRANGE', 'l', '0', '5']),
  encode(['HSET', 'h', 'f', 'v']),
  encode(['HGETALL', 'h']),
  encode(['MULTI']),
  encode(['EXEC']),
  encode(['SELECT', '3']),
  encode(['HELLO', '9']),
  encode(['CLIENT', 'GETNAME']),
  Buffer.from('PING\r\n'),
  Buffer.from('SET k "quoted value"\r\n'),
  Buffer.from('\r\n'),
]
/**
 * No NUL among them: a server's search for the end of a line stops at one, and it waits for ever for a line that is there.
 */
const TELLING = [...'*$:+-_%>~|#,(!=\r\n"\'\\ 09'].map((character) => character.charCodeAt(0))

/** Random bytes, or a few commands with something wrong in them; now and then with nothing wrong. */
export function garble(random: Random): Buffer {
  if (random.below(4) === 0) return noise(random)
  let bytes: Buffer = Buffer.concat(Array.from({ length: 1 + random.below(4) }, () => random.pick(COMMANDS)))
  for (let changes = random.below(4); changes > 0 && bytes.length > 0; changes--) bytes = change(bytes, random)
  return bytes
}

function noise(random: Random): Buffer {
  const telling = random.below(2) === 0
  return Buffer.from(
    Array.from({ length: 1 + random.below(200) }, () => (telling ? random.pick(TELLING) : 1 + random.below(255))),
  )
}

function change(bytes: Buffer, random: Random): Buffer {
  const at = random.below(bytes.length)
  const length = 1 + random.below(6)
  const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)]
  switch (random.below(5)) {
    case 0: // another byte
      return Buffer.concat([head, Buffer.from([1 + random.below(255)]), tail.subarray(1)])
    case 1: // another byte that means something
      return Buffer.concat([head, Buffer.from([random.pick(TELLING)]), tail.subarray(1)])
    case 2: // some bytes gone
      return Buffer.concat([head, tail.subarray(length)])
    case 3: // some bytes twice
      return Buffer.concat([head, tail.subarray(0, length), tail])
    default: // the end gone
      return bytes.subarray(0, at)
  }
}
