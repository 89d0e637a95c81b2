import { matchesGlob } from '../util/glob.js'

const SPECIAL = /[*?[\]\\]/

/** A pattern for keys or channels, in Redis's glob style. Most are a beginning with a star behind it: these need no text of the key. */
export class KeyPattern {
  readonly #prefix: Buffer | null
  readonly #glob: string
  /** What all that it fits begins with. */
  readonly #beginning: Buffer

  constructor(pattern: string) {
    const beginning = pattern.slice(0, -1)
    this.#prefix = pattern.endsWith('*') && !SPECIAL.test(beginning) ? Buffer.from(beginning) : null
    this.#glob = Buffer.from(pattern).toString('latin1')
    this.#beginning = Buffer.from(beginningOf(this.#glob), 'latin1')
  }

  fits(key: Buffer): boolean {
    const prefix = this.#prefix
    if (prefix === null) return matchesGlob(this.#glob, key.toString('latin1'))
    return beginsWith(key, prefix)
  }

  /** False only if nothing can fit both this and another pattern. */
  meets(other: Buffer): boolean {
    const text = other.toString('latin1')
    if (!SPECIAL.test(text)) return this.fits(other)
    const beginning = Buffer.from(beginningOf(text), 'latin1')
    return beginsWith(beginning, this.#beginning) || beginsWith(this.#beginning, beginning)
  }

  /** True only if all that fits another pattern fits this one too. */
  covers(other: Buffer): boolean {
    const text = other.toString('latin1')
    if (!SPECIAL.test(text)) return this.fits(other)
    if (this.#prefix === null) return text === this.#glob
    return beginsWith(Buffer.from(beginningOf(text), 'latin1'), this.#prefix)
  }
}

/** What stands before the first special character. */
const beginningOf = (pattern: string): string => pattern.split(SPECIAL, 1)[0]

export function beginsWith(key: Buffer, prefix: Buffer): boolean {
  return key.length >= prefix.length && key.compare(prefix, 0, prefix.length, 0, prefix.length) === 0
}
