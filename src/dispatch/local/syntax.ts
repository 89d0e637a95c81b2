import type { CommandSpec } from '../../commands/spec.js'

/** Whether Redis would take so many arguments, the name counted. */
export function hasArity(spec: CommandSpec, count: number): boolean {
  return spec.arity === 0 || takes(spec.arity, count)
}

/** Whether so many arguments are what an arity says: that number, or at least so many if it is negative. */
export function takes(arity: number, count: number): boolean {
  return arity < 0 ? count >= -arity : count === arity
}

export const wrongArity = (name: string): string => `ERR wrong number of arguments for '${name}' command`

/** An integer as Redis's string2ll reads it. */
export function parseInteger(text: string): number | null {
  return /^(0|-?[1-9]\d{0,18})$/.test(text) ? Number(text) : null
}

/** What Redis lets be a client's name: printable ASCII without spaces, or nothing. */
export const isClientName = (name: string): boolean => /^[!-~]*$/.test(name)

/** An id that no client of Redis has. */
export const NOBODY = '9223372036854775807'
