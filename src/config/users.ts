import { createHash } from 'node:crypto'
import { Mistake } from './mistake.js'

/** Somebody who may log in; of passwords only their SHA-256 is kept, in hexadecimal. */
export interface User {
  readonly name: string
  readonly enabled: boolean
  /** Any password will do. */
  readonly nopass: boolean
  readonly hashes: readonly string[]
}

export const USER_FORM = 'a user as in an ACL of Redis: NAME [on|off] [nopass] [>PASSWORD]… [#SHA256]…'

const NAME = /^[^#>\p{Cc}][^\p{Cc}]*$/u

/** Rules of Redis about what a user may do. */
const PERMISSION = /^(~|%|&|[+-]|allkeys$|allcommands$|allchannels$|resetkeys$|resetchannels$|\()/

/** The SHA-256 of a password, one character a byte. */
export const hashOf = (password: string): string => createHash('sha256').update(password, 'latin1').digest('hex')

/** Reads a user, on unless it says off. @throws Mistake, which tells no secret */
export function parseUser(text: string): User {
  const [name, ...rules] = text.trim().split(/\s+/)
  if (!NAME.test(name) || PERMISSION.test(name)) throw new Mistake(`must be ${USER_FORM}`)
  const user = { name: Buffer.from(name).toString('latin1'), enabled: true, nopass: false, hashes: [] as string[] }
  for (const rule of rules) {
    if (rule === 'on' || rule === 'off') user.enabled = rule === 'on'
    else if (rule === 'nopass') user.nopass = true
    else if (/^>./.test(rule)) user.hashes.push(hashOf(Buffer.from(rule.slice(1)).toString('latin1')))
    else if (/^#[0-9a-f]{64}$/i.test(rule)) user.hashes.push(rule.slice(1).toLowerCase())
    else if (PERMISSION.test(rule)) throw new Mistake(BEYOND)
    else throw new Mistake(`must be ${USER_FORM}`)
  }
  return user
}

const BEYOND =
  'must not say what a user may do, which respool does not watch over: only auth: passthrough has Redis do that'

/** Reads a file of users: one in each line, which may begin with the word user, as Redis writes them; # begins a comment line. */
export function parseUsers(text: string): User[] {
  const users: User[] = []
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(#|$)/.test(line)) continue
    try {
      users.push(parseUser(line.replace(/^\s*user\s+/, '')))
    } catch (error) {
      throw new Mistake(`line ${at + 1} ${(error as Mistake).message}`)
    }
  }
  if (users.length === 0) throw new Mistake('names no user')
  return users
}
