import { createHash } from 'node:crypto'
import type { KeyNames } from '../config/config.js'

/** Keys are the users' data, and may be long: no more of one is shown than this, in characters. */
const LONGEST = 200

const DIGITS = 12

/** What ends the part of a key that says of what kind it is. */
const ENDS = /[:/|.{#-]/

/** How a key is shown in the log and on the admin port. */
export function showKey(key: Buffer, how: KeyNames): string {
  switch (how) {
    case 'hash':
      // The same as `printf %s KEY | sha256sum`, so that a guess can be verified.
      return `sha256:${createHash('sha256').update(key).digest('hex').slice(0, DIGITS)}`
    case 'prefix': {
      const text = key.toString('utf8', 0, LONGEST)
      const end = text.search(ENDS)
      return end < 1 ? '…' : `${text.slice(0, end + 1)}…`
    }
    case 'full':
      return key.length <= LONGEST ? key.toString() : `${key.toString('utf8', 0, LONGEST)}…`
  }
}
