import { type CommandSpec, resolve } from '../../commands/spec.js'
import type { Arguments } from '../../resp/arguments.js'
import { quoted } from '../../resp/encode.js'

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

/** What Redis finds wrong with a command before it looks at anything else, or null. */
export function faultOf(spec: CommandSpec, args: Arguments): string | null {
  const row = resolve(spec, args)
  if (!hasArity(row, args.count) || (spec.name === 'ping' && args.count > 2)) return wrongArity(row.name)
  if (row === spec && spec.subcommands !== null && args.count > 1)
    return `ERR unknown subcommand '${quoted(args.text(1))}'. Try ${spec.name.toUpperCase()} HELP.`
  return null
}

/** Bytes of arguments that Redis shows of a command that it does not know. */
const SHOWN = 128

/** What Redis says to a name that it does not know. */
export function unknownCommand(args: Arguments): string {
  let shown = ''
  for (const text of args.texts(1)) {
    if (shown.length >= SHOWN) break
    shown += `'${quoted(text).slice(0, SHOWN - shown.length)}' `
  }
  return `ERR unknown command '${quoted(args.text(0))}', with args beginning with: ${shown}`
}
