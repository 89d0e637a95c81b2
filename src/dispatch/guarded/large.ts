import type { CommandSpec } from '../../commands/spec.js'
import { denialIn } from '../../guard/guard.js'
import { unfinishedLength, wholeArgument } from '../../resp/arguments.js'
import { headerValue, readHeader } from '../../resp/header.js'
import { hasArity } from '../local/syntax.js'
import { LargeRequest } from '../large-request.js'
import type { Session } from '../session.js'
import { deny } from './deny.js'

/**
 * Begins a large request, of which the first bytes have come, if the guard lets it. What stands in these is all that it can go by: how many arguments there
 * are, how long the one is that they break off in, and the key of a command that has only one. Where it takes all keys to say, the command is put
 * together first. Answers as `LargeRequest.begin` does.
 *
 * @param name null if not even that is there
 */
export function beginLarge(
  session: Session,
  name: Buffer | null,
  buf: Buffer,
  start: number,
  end: number,
): LargeRequest | null {
  const { guard, context } = session
  const { table } = context
  const spec = (name && table.lookup(name, 0, name.length)) ?? table.other
  readHeader(buf, start + 1, end)
  const argc = headerValue
  const row = rowOf(spec, buf, start, end, argc)
  if (!hasArity(row, argc) || session.mode.current === 'locked')
    return LargeRequest.begin(session, spec, buf, start, end)
  const key = row.soleKey > 0 && row.soleKey < argc ? wholeArgument(buf, start, end, row.soleKey) : null
  if (guard.needsKeys(row) && key === null) return LargeRequest.gather(session, spec)
  const bytes = Math.max(end - start, unfinishedLength(buf, start, end))
  const findings = guard.findingsOfLarge(row, key === null ? [] : [key], argc, bytes)
  const code = guard.audit === null ? denialIn(findings) : null
  if (code !== null) {
    if (!deny(session, row, code, name?.toString('latin1') ?? '')) return null
    guard.report(session, row, findings, { bytes })
    return LargeRequest.drop(session)
  }
  const large = LargeRequest.begin(session, spec, buf, start, end)
  if (large === null || large.gathers) return large
  guard.report(session, row, findings, { bytes })
  large.reported = findings.some(({ rule }) => rule === 'bigRequest')
  if (key === null && row.keySpecs.length > 0) guard.audit?.note('unseen', row.name, 'large')
  return large
}

/** The last part has come, so that it is known how large it was. */
export function endLarge(session: Session, { spec, bytes, gathers, reported }: LargeRequest): void {
  if (gathers || reported || bytes <= session.guard.bigRequest) return
  session.guard.report(session, spec, [{ action: 'warn', rule: 'bigRequest', code: 'requestTooBig' }], { bytes })
}

function rowOf(spec: CommandSpec, buf: Buffer, start: number, end: number, argc: number): CommandSpec {
  if (spec.subcommands === null || argc < 2) return spec
  const name = wholeArgument(buf, start, end, 1)?.toString('latin1').toLowerCase()
  return (name !== undefined && spec.subcommands.get(name)) || spec
}
