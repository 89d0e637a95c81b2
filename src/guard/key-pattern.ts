import { matchesGlob } from '../util/glob.js'

const SPECIAL = /[*?[\]\\]/

/** A pattern for keys, in Redis's glob style. Most are a beginning with a star behind it: these need no text of the key. */
export class KeyPattern {
  readonly #prefix: Buffer | null
  readonly #glob: string

  constructor(pattern: string) {
    const beginning = pattern.slice(0, -1)
    this.#prefix = pattern.endsWith('*') && !SPECIAL.test(beginning) ? Buffer.from(beginning) : null
    this.#glob = Buffer.from(pattern).toString('latin1')
  }

  fits(key: Buffer): boolean {
    const prefix = this.#prefix
    if (prefix === null) return matchesGlob(this.#glob, key.toString('latin1'))
    return beginsWith(key, prefix)
  }
}

export function beginsWith(key: Buffer, prefix: Buffer): boolean {
  return key.length >= prefix.length && key.compare(prefix, 0, prefix.length, 0, prefix.length) === 0
}
